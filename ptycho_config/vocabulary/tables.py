"""Tables of PtychoPINN's configuration files: `model: {N: 64}`, `data_config: {K: 6}`."""

from collections.abc import Iterator, Mapping

import ptycho_config.vocabulary.flat as foreign
from ptycho_config.short_names import Alias
from ptycho_config.vocabulary.flat import destinations, paths_of

# In these a name means what it means outside.
_GROUPS = ("model", "sampling")
# In these a name is a field of a flat class.
_CLASSES: Mapping[str, type] = {
    "data_config": foreign.DataConfig,
    "model_config": foreign.FlatModelConfig,
    "training_config": foreign.FlatTrainingConfig,
    "inference_config": foreign.FlatInferenceConfig,
    "datagen_config": foreign.DatagenConfig,
}
TABLES = frozenset((*_GROUPS, *_CLASSES))


def names_in_tables(root: type, names: Mapping[str, Alias], known: frozenset[str]) -> Iterator[tuple[str, Alias]]:
    """Every name of every table, as `table.name`, with what it means for the setup class `root`.

    names: those outside of tables; known: the paths of the options of `root`.
    """
    for table in _GROUPS:
        yield from ((f"{table}.{name}", alias) for name, alias in names.items())
    for table, cls in _CLASSES.items():
        for name, place in destinations(cls).items():
            paths = tuple(path for path in paths_of(place, root) if path in known)
            gone = place.gone or ("" if paths else "is no option of this run")
            yield f"{table}.{name}", Alias(paths, place.translation, gone)
