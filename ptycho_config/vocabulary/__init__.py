"""Foreign spellings of the options: the flat torch-side classes, and short names."""

from ptycho_config.vocabulary.aliases import aliases as aliases
from ptycho_config.vocabulary.flat import FLAT_CLASSES as FLAT_CLASSES
from ptycho_config.vocabulary.flat import DataConfig as DataConfig
from ptycho_config.vocabulary.flat import DatagenConfig as DatagenConfig
from ptycho_config.vocabulary.flat import FlatInferenceConfig as FlatInferenceConfig
from ptycho_config.vocabulary.flat import FlatModelConfig as FlatModelConfig
from ptycho_config.vocabulary.flat import FlatTrainingConfig as FlatTrainingConfig
from ptycho_config.vocabulary.flat import destinations as destinations
from ptycho_config.vocabulary.flat import paths_of as paths_of
from ptycho_config.vocabulary.flat_conversion import FlatConfigs as FlatConfigs
from ptycho_config.vocabulary.flat_conversion import from_flat as from_flat
from ptycho_config.vocabulary.flat_conversion import to_flat as to_flat
