"""From the fields that ptychodus sends to a setup.

ptychodus sends every field, so that a default cannot be distinguished from a choice. The rule: a field that
holds the client's default gives way to what serves the client best (`RECOMMENDED`), any other value
counts. `ALWAYS` counts either way: what a person reads off the window while it runs. A field that
has no meaning here is refused with a sentence when it is changed.
"""

from collections.abc import Iterator, Mapping
from math import isqrt
from types import MappingProxyType
from typing import Any

from ptycho_config import ConfigError, Problem, Transform
from ptycho_config.layers import CLIENT as LAYER
from ptycho_config.lens import at, fields
from ptycho_config.profiles import PROFILES
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves
from ptycho_config.steps import Step
from ptycho_config.vocabulary import destinations, paths_of
from ptycho_config.vocabulary.flat import Flat
from ptycho_torch.compat.ptychodus.settings import REFINE_PASSES, DataConfig

_c = fields(TrainingSetup)

RECOMMENDED = (
    PROFILES["unrolled"]
    >> at(_c.torch.data.position_origin).put("centre")
    >> at(_c.torch.refine.passes).put(REFINE_PASSES)
)

# Where the client's default is not that of the flat class.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"N": 128, "strategy": "ddp_spawn", "orchestrator": "Lightning", "probe_mask": None}
)
ALWAYS = frozenset(
    {"run.nepochs", "run.batch_size", "run.model.model_type", "execution.devices", "torch.refine.passes"}
)
# Channels of the network at its finest level over n_filters_scale, 2 by default.
WIDTH = 8
# Patterns that are seen together while training: a group, or a pattern with its neighbours.
CLUSTER = 4
# Fields with another path here, and fields whose path nothing of this network reads.
OURS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "n_filters_scale": ("torch.net.width",),
        **dict.fromkeys(("nll", "amp_activation", "probe_big", "pad_eval", "window"), ()),
    }
)
CHANNELS = ("C", "C_model", "C_forward", "decoder_last_amp_channels", "grid_size")

_ONE_NETWORK = "is an option of the network 'cnn'; this client trains the network 'unrolled', which has no such part"
_WHOLE = "the client places the result on its own object array, so all of it is returned"
# Fields of which some values change nothing, and why the others cannot be.
REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = MappingProxyType(
    {
        "nll": ((True,), "the loss of the patterns is named by loss_function: choose MAE there"),
        "amp_activation": (("silu",), _ONE_NETWORK),
        "probe_big": ((True,), "the network draws the whole patch always"),
        "pad_eval": ((True,), _WHOLE),
        "orchestrator": (("Lightning", "Mlflow"), "training has one route, a logger is no choice here"),
        "window": ((0, 20), _WHOLE + "; a border of it cannot be left out"),
    }
)


def client_layer(root: type, *flats: Any) -> Transform:
    """The changes of a setup that the client's settings stand for.

    root: TrainingSetup or InferenceSetup; flats: the client's flat configs. Raises ConfigError with every
    field that has no meaning here.
    """
    problems: list[Problem] = []
    steps = [*_groups(flats, problems), *(step for one in flats for step in _steps(root, one, problems))]
    if problems:
        raise ConfigError(problems, "the settings of ptychodus")
    choices = {path for path, spec in leaves(root) if spec.members}
    return Transform(tuple(sorted(steps, key=lambda step: step.path not in choices)))


def _steps(root: type, one: Any, problems: list[Problem]) -> Iterator[Step]:
    """A put for each field that counts; adds those that cannot be to `problems`."""
    known, plain = dict(leaves(root)), type(one)()
    for name, place in destinations(type(one)).items():
        value, default = getattr(one, name), DEFAULTS.get(name, getattr(plain, name))
        chosen = ALWAYS.intersection(place.paths) or not _same(value, default)
        if name in CHANNELS or not chosen:
            continue
        try:
            read = _read(name, value, place)
        except ValueError as error:
            problems.append(Problem(name, f"{value!r}: {error}", LAYER))
            continue
        paths = OURS.get(name, paths_of(place, root))
        yield from (Step(path, "put", read, LAYER, where=f"as {name!r}") for path in paths if path in known)


def _read(name: str, value: Any, place: Flat) -> Any:
    """A changed value as ours. Raises ValueError where it has no meaning here."""
    harmless, why = REFUSED.get(name, ((), place.gone))
    if any(path.startswith("torch.net.") for path in place.paths):
        why = _ONE_NETWORK
    if why and value not in harmless:
        raise ValueError(why)
    if name == "finetune_val_split" and value == 0:
        raise ValueError("validation is never empty: hold back more than nothing")
    return WIDTH * value if name == "n_filters_scale" else place.translation.read(value)


def _same(value: Any, default: Any) -> bool:
    return value is None or (isinstance(value, type(default)) and bool(value == default))


def _groups(flats: tuple[Any, ...], problems: list[Problem]) -> Iterator[Step]:
    """Side of a group from channels and grid, of which one may be left at its default."""
    data, plain = next((one for one in flats if isinstance(one, DataConfig)), None), DataConfig()
    if data is None:
        return
    count, (rows, columns) = data.C, data.grid_size
    if count == plain.C:
        count = rows * columns
    if rows != columns or count != isqrt(count) ** 2:
        problems.append(Problem("grid_size", f"groups are square, got {(rows, columns)}, C {data.C}", LAYER))
    if (rows, columns) != plain.grid_size and count != rows * columns:
        problems.append(Problem("C", f"{count} channels do not fill a grid of {rows} x {columns}", LAYER))
    for one in flats:
        for name in CHANNELS[1:-1]:
            found = getattr(one, name, data.C)
            if found not in {data.C, getattr(type(one)(), name, data.C)}:
                problems.append(Problem(name, f"{found}: follows from C, which is {data.C}", LAYER))
    yield Step("training.model.gridsize", "put", isqrt(count), LAYER, where="as 'C'")
    # An epoch shows a cluster around every pattern, so larger ones would make it as much longer.
    yield Step("torch.overlap.partners", "put", max(CLUSTER - count, 0), LAYER, where="as 'C'")
