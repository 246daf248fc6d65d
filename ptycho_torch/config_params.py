"""The flat configuration classes under the names that PtychoPINN users and ptychodus know."""

from ptycho_config.vocabulary import (
    DataConfig,
    DatagenConfig,
)
from ptycho_config.vocabulary import (
    FlatInferenceConfig as InferenceConfig,
)
from ptycho_config.vocabulary import (
    FlatModelConfig as ModelConfig,
)
from ptycho_config.vocabulary import (
    FlatTrainingConfig as TrainingConfig,
)

__all__ = ["DataConfig", "DatagenConfig", "InferenceConfig", "ModelConfig", "TrainingConfig"]
