"""Short and foreign names of options: `K` or `neighbor_count` for `training.neighbor_count`."""

from collections.abc import Mapping
from functools import cache, partial
from types import MappingProxyType

from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.paths import leaves
from ptycho_config.schema.specs import specs
from ptycho_config.short_names import Alias, Vocabulary
from ptycho_config.vocabulary.flat import FLAT_CLASSES, FlatModelConfig, destinations, paths_of
from ptycho_config.vocabulary.tables import TABLES, names_in_tables

# Names of commands and factories that are no field of any class.
_EXTRA = {"max_epochs": "epochs", "seed": "subsample_seed"}
# Options that other programs set in two places, by the one that is read.
_MOVED = {
    "run.n_images": "run.n_groups",
    "execution.scheduler": "training.scheduler",
    "execution.gradient_clip_val": "training.gradient_clip_val",
    "execution.gradient_clip_algorithm": "training.gradient_clip_algorithm",
}
# The flat class means groups around each pattern; everywhere else the name means patterns kept.
_AMBIGUOUS = {"n_subsample"}
_OTHER: Mapping[type, tuple[str, type]] = {
    TrainingSetup: ("inference", InferenceSetup),
    InferenceSetup: ("training", TrainingSetup),
}


def aliases(root: type) -> Mapping[str, Alias]:
    """Every short name that the setup class `root` understands."""
    return vocabulary(root).aliases


@cache
def vocabulary(root: type) -> Vocabulary:
    """Every short name that a setup class `root` understands, and the hint for those of the other one.

    The last part of a path is a name of it; where several paths end alike, the first in the
    order of the schema has it: the run before its execution, the execution before the backend's
    own options. Names of the flat classes follow, and translate their values.
    """
    found: dict[str, Alias] = {}
    for path, _ in leaves(root):
        found.setdefault(path.rpartition(".")[2], Alias((path,)))
    known = dict(leaves(root))
    for cls in FLAT_CLASSES:
        for name, place in destinations(cls).items():
            paths = tuple(path for path in paths_of(place, root) if path in known)
            if name in _AMBIGUOUS or (place.paths and not paths):
                continue
            if name not in found or found[name].paths == paths[:1]:
                found[name] = Alias(paths, place.translation, place.gone)
    mode = destinations(FlatModelConfig)["mode"]
    found["model_type"] = Alias(paths_of(mode, root), mode.translation)
    for name, other in _EXTRA.items():
        if other in found:
            found[name] = found[other]
    run = next(iter(specs(root)))
    moved = {old.replace("run.", f"{run}."): new.replace("run.", f"{run}.") for old, new in _MOVED.items()}
    moved = {old: new for old, new in moved.items() if new in known}
    found["n_images"] = Alias((f"{run}.n_groups",))
    found.update(list(names_in_tables(root, found, frozenset(known))))
    return Vocabulary(MappingProxyType(found), partial(_only_elsewhere, root), MappingProxyType(moved), TABLES)


def _only_elsewhere(root: type, name: str) -> str:
    """`it belongs to training (training.nepochs)` for a path or short name that the setup class
    `root` lacks and the other one has; empty otherwise."""
    if root not in _OTHER or name.rpartition(".")[2] in aliases(root):
        return ""
    run, other = _OTHER[root]
    paths = (name,) if name in dict(leaves(other)) else aliases(other).get(name, Alias(())).paths
    return f"it belongs to {run} ({', '.join(paths)})" if paths else ""
