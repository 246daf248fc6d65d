"""Configuration files of PtychoPINN in the terms of this package, with the fate of every key."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ptycho_config import ConfigError, Problem, parse
from ptycho_config.codec import KIND_KEY, write_value
from ptycho_config.legacy import DEFAULTS, RENAMED
from ptycho_config.policy import is_settable
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves
from ptycho_config.schema.specs import kind_of
from ptycho_config.steps import Step
from ptycho_config.versions import EDITOR_KEY, SCHEMA_KEY
from ptycho_config.vocabulary import aliases
from ptycho_config.written_options import known_options

_NEW_NAME = {old: new for new, old in RENAMED.items()}
_SIMULATION = frozenset(
    {
        *("nimgs_train", "nimgs_test", "data_source", "size", "big_gridsize", "sim_jitter_scale", "set_phi"),
        *("outer_offset_train", "outer_offset_test", "default_probe_scale", "object_class", "image_size"),
        *("objects_per_probe", "diff_per_object", "probe_paths", "beamstop_diameter"),
    }
)
_ANSWERS = {
    "npseed": "set training.subsample_seed, the one seed of a run",
    "debug": "is a flag of the commands: use --debug",
    "h5_path": "a bundle is wts.h5.zip in the output folder",
    "label": "set torch.record.notes",
    "tv_weight": "set torch.regularisation.amp_loss and phase_loss to Total_Variation, with their amp_loss_coeff and "
    "phase_loss_coeff",
}


@attrs.frozen
class Fate:
    """The fate of the value at a key: the paths that it sets now, or the sentence why it sets none."""

    key: str
    value: Any
    paths: tuple[str, ...] = ()
    sentence: str = ""

    def __str__(self) -> str:
        kept = f"-> {', '.join(self.paths)}" if self.paths else "left out"
        return f"{self.key}: {self.value!r} {kept}{f': {self.sentence}' if self.sentence else ''}"


def translate(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fate]]:
    """A configuration file `data` as a partial document of a training, and the fate of every key. Raises ConfigError
    where two keys set one option to different values, or its own value is refused."""
    steps: list[Step] = []
    fates: list[Fate] = []
    for key, value in _flatten(data):
        made, fate = _translate(key, value)
        steps += made
        fates.append(fate)
    written = {step.path: step for step in steps}
    for step in steps:
        if written[step.path].arg != step.arg:
            other = written[step.path]
            raise ConfigError(
                [step.problem(f"is {step.arg!r}, and {other.arg!r} {other.where}", "keep one of the two")]
            )
    return _document(written), fates


def _flatten(data: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key in dots with its value; a table that is an option is a value."""
    for key, value in data.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and path not in known_options(TrainingSetup).specs:
            yield from _flatten(value, f"{path}.")
        else:
            yield path, value


def _translate(key: str, value: Any) -> tuple[list[Step], Fate]:
    """The steps that a key with this value means, and its fate."""
    name = key.rpartition(".")[2]
    problem = None
    for spelling in dict.fromkeys((key, _NEW_NAME.get(key, key), name)):
        if spelling in (SCHEMA_KEY, EDITOR_KEY):
            # Of a table they mean nothing, and of the file they are no options.
            problem = problem or Problem(key, "is no option")
            continue
        try:
            made = parse(TrainingSetup, {spelling: value}).steps
        except ConfigError as error:
            problem = problem or error.problems[0]
            continue
        read = [step for step in made if is_settable(TrainingSetup, step.path)]
        if read:
            return read, Fate(key, value, tuple(step.path for step in read))
        return [], Fate(key, value, sentence=dict(leaves(TrainingSetup))[made[0].path].unread)
    return [], Fate(key, value, sentence=_reason(name, problem))


def _reason(name: str, problem: Problem | None) -> str:
    """The reason why a name sets nothing: what to do instead, or the problem of reading it."""
    if name in _SIMULATION:
        return "simulation is not part of a run: use ptycho simulate"
    if name in _ANSWERS:
        return _ANSWERS[name]
    alias = aliases(TrainingSetup).get(name)
    if alias is not None and alias.gone:
        return alias.gone
    if name in DEFAULTS:
        return "had no effect with this backend"
    assert problem is not None
    return f"{problem.message}; {problem.hint}" if problem.hint else problem.message


def _document(steps: Mapping[str, Step]) -> dict[str, Any]:
    """A partial document with the values of the steps, choices as tables with their kind."""
    document: dict[str, Any] = {SCHEMA_KEY: TrainingSetup.SCHEMA}
    known = known_options(TrainingSetup)
    for path in sorted(steps, key=list(known.specs).index):
        *above, last = path.split(".")
        table = document
        for name in above:
            table = table.setdefault(name, {})
        value = steps[path].arg
        if known.specs[path][0].members:
            table[last] = {KIND_KEY: value if isinstance(value, str) else kind_of(type(value))}
        else:
            table[last] = write_value(known.specs[path][0], value)
    return document
