"""The schema: every option once, with unit, meaning, default and check."""

from ptycho_config.schema.base import FieldSpec, config, field, get_path, is_config, leaves, leaves_of, specs
from ptycho_config.schema.execution import PyTorchExecutionConfig
from ptycho_config.schema.inference import InferenceConfig
from ptycho_config.schema.model import ModelConfig
from ptycho_config.schema.setup import InferenceSetup, TrainingSetup
from ptycho_config.schema.torch_options import (
    DataOptions,
    OverlapOptions,
    PrimedOptions,
    StitchOptions,
    TorchOptions,
)
from ptycho_config.schema.training import TrainingConfig

__all__ = [
    "DataOptions",
    "FieldSpec",
    "InferenceConfig",
    "InferenceSetup",
    "ModelConfig",
    "OverlapOptions",
    "PrimedOptions",
    "PyTorchExecutionConfig",
    "StitchOptions",
    "TorchOptions",
    "TrainingConfig",
    "TrainingSetup",
    "config",
    "field",
    "get_path",
    "is_config",
    "leaves",
    "leaves_of",
    "specs",
]
