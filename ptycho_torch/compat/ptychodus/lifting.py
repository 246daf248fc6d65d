"""From the fields that ptychodus sends to a setup.

ptychodus sends every field, so that a default cannot be told from a choice. The rule: a field that
holds the client's default gives way to what serves the client best (`RECOMMENDED`), any other value
counts. `ALWAYS` counts either way: what a person reads off the window while it runs. A field that
has no meaning here is refused with a sentence when it is changed.
"""

from collections.abc import Iterator, Mapping
from math import isqrt
from types import MappingProxyType
from typing import Any

from ptycho_config import PROFILES, ConfigError, InferenceSetup, Problem, Step, TrainingSetup, Transform
from ptycho_config.lens import at, fields
from ptycho_config.schema import leaves
from ptycho_config.vocabulary import destinations, paths_of
from ptycho_torch.compat.ptychodus.settings import REFINE_PASSES, DataConfig

LAYER = "ptychodus"
_c = fields(TrainingSetup)

RECOMMENDED = (
    PROFILES["primed"]
    >> at(_c.torch.data.position_origin).put("centre")
    >> at(_c.torch.refine.passes).put(REFINE_PASSES)
    >> at(_c.execution.inference_batch_size).put(64)
)

# Where the client's default is not that of the flat class.
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"N": 128, "strategy": "ddp_spawn", "orchestrator": "Lightning", "probe_mask": None}
)
ALWAYS = frozenset({"epochs", "batch_size", "mode", "n_devices"})
CHANNELS = ("C", "C_model", "C_forward", "decoder_last_amp_channels", "grid_size")

_ONE_NETWORK = (
    "is an option of the network 'cnn'; this client trains the network 'primed', which has no such part"
)
_WHOLE = "the client places the result on its own object array, so all of it is returned"
# Fields whose path nothing of this network reads, the values that change nothing, and why.
REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = MappingProxyType(
    {
        "nll": ((True,), "the loss of the patterns is named by loss_function: choose MAE there"),
        "amp_activation": (("silu",), _ONE_NETWORK),
        "probe_big": ((True,), "the network draws the whole patch always"),
        "pad_eval": ((True,), _WHOLE),
        "window": ((0, 20), _WHOLE + "; a border of it cannot be left out"),
    }
)


def training_layer(*flats: Any) -> Transform:
    """What the client asks of a training. Raises ConfigError with every field that cannot be."""
    return _layer(TrainingSetup, flats)


def inference_layer(inference: Any) -> Transform:
    """What the client asks of an inference: its inference settings alone."""
    return _layer(InferenceSetup, (inference,))


def _layer(root: type, flats: tuple[Any, ...]) -> Transform:
    problems: list[Problem] = []
    steps = [step for one in flats for step in _steps(root, one, problems)]
    if side := _group_side(flats, problems):
        steps.insert(0, Step("training.model.gridsize", "put", side, LAYER, where="as 'C'"))
        if side > 1:
            # The members of a group overlap already.
            steps.insert(1, Step("torch.overlap.partners", "put", 0, LAYER, where="as 'C'"))
    if problems:
        raise ConfigError(problems, "the settings of ptychodus")
    choices = {path for path, spec in leaves(root) if spec.variants}
    return Transform(tuple(sorted(steps, key=lambda step: step.path not in choices)))


def _steps(root: type, one: Any, problems: list[Problem]) -> Iterator[Step]:
    """One put for each field that counts; adds those that cannot be to `problems`."""
    known, plain = dict(leaves(root)), type(one)()
    for name, place in destinations(type(one)).items():
        value = getattr(one, name)
        default = DEFAULTS.get(name, getattr(plain, name))
        if name in CHANNELS or (name not in ALWAYS and _same(value, default)):
            continue
        sentence = _refusal(name, value, place.gone, place.paths)
        if sentence:
            problems.append(Problem(name, f"{value!r}: {sentence}", LAYER))
            continue
        if name in REFUSED:
            continue
        try:
            read = _width(value) if name == "n_filters_scale" else place.translation.read(value)
        except ValueError as error:
            problems.append(Problem(name, str(error), LAYER))
            continue
        paths = ("torch.net.width",) if name == "n_filters_scale" else paths_of(place, root)
        yield from (Step(path, "put", read, LAYER, where=f"as {name!r}") for path in paths if path in known)


def _refusal(name: str, value: Any, gone: str, paths: tuple[str, ...]) -> str:
    if name in REFUSED:
        harmless, why = REFUSED[name]
        return "" if value in harmless else why
    if name == "finetune_val_split" and value == 0:
        return "validation is never empty: hold back more than nothing"
    if any(path.startswith("torch.net.") for path in paths):
        return _ONE_NETWORK
    return gone


def _same(value: Any, default: Any) -> bool:
    return value is None or (isinstance(value, type(default)) and bool(value == default))


def _width(filters: int) -> int:
    """Channels of the network at its finest level: 16 at the client's default of 2."""
    return 8 * filters


def _group_side(flats: tuple[Any, ...], problems: list[Problem]) -> int | None:
    """Side of a group from the channels and the grid, of which one may be left at its default."""
    data = next((one for one in flats if isinstance(one, DataConfig)), None)
    if data is None:
        return None
    count, (rows, columns) = data.C, data.grid_size
    plain = DataConfig()
    if rows != columns:
        message = f"groups are square: both sides must be equal, got {(rows, columns)}"
        problems.append(Problem("grid_size", message, LAYER))
    elif count == plain.C:
        count = rows**2
    elif (rows, columns) != plain.grid_size and count != rows**2:
        problems.append(Problem("C", f"{count} channels do not fill a grid of {rows} x {columns}", LAYER))
    if count != isqrt(count) ** 2:
        problems.append(Problem("C", f"groups are square: 1, 4 or 9 channels, got {count}", LAYER))
    for one in flats:
        for name in CHANNELS[1:-1]:
            found = getattr(one, name, data.C)
            if found not in {data.C, getattr(type(one)(), name, data.C)}:
                problems.append(Problem(name, f"{found}: follows from C, which is {data.C}", LAYER))
    return isqrt(count)
