"""The flat configuration classes under the names that PtychoPINN users and ptychodus know."""

from ptycho_config.vocabulary import DatagenConfig
from ptycho_torch.compat.ptychodus.settings import DataConfig, InferenceConfig, ModelConfig, TrainingConfig

__all__ = ["DataConfig", "DatagenConfig", "InferenceConfig", "ModelConfig", "TrainingConfig"]
