"""Foreign spellings of the options: the flat torch-side classes, and short names."""

from ptycho_config.vocabulary.aliases import Alias, aliases, only_elsewhere
from ptycho_config.vocabulary.flat import (
    FLAT_CLASSES,
    DataConfig,
    DatagenConfig,
    FlatInferenceConfig,
    FlatModelConfig,
    FlatTrainingConfig,
    destinations,
    paths_of,
)
from ptycho_config.vocabulary.flat_conversion import FlatConfigs, from_flat, to_flat

__all__ = [
    "FLAT_CLASSES",
    "Alias",
    "DataConfig",
    "DatagenConfig",
    "FlatConfigs",
    "FlatInferenceConfig",
    "FlatModelConfig",
    "FlatTrainingConfig",
    "aliases",
    "destinations",
    "from_flat",
    "only_elsewhere",
    "paths_of",
    "to_flat",
]
