"""The schema: every option once, with unit, meaning, default and check."""

from ptycho_config.schema.execution import PyTorchExecutionConfig
from ptycho_config.schema.fine_tuning import FineTuneOptions
from ptycho_config.schema.forward import Amplitude, ForwardModel, RectangularScaled, ScaleOptions
from ptycho_config.schema.grouping import FourQuadrant, GroupingOptions, MinDistance, Nearest, NeighbourRule
from ptycho_config.schema.inference import InferenceConfig
from ptycho_config.schema.model import ModelConfig
from ptycho_config.schema.networks import Cnn, External, Ffno, Fno, FnoVanilla, Network, NeuralopUno, Unrolled
from ptycho_config.schema.refine import RefineOptions
from ptycho_config.schema.setup import InferenceSetup, TrainingSetup
from ptycho_config.schema.torch_options import (
    DataOptions,
    LabelOptions,
    OverlapOptions,
    RecordOptions,
    RegularisationOptions,
    StageOptions,
    StitchOptions,
    TorchOptions,
)
from ptycho_config.schema.training import TrainingConfig

__all__ = [
    "Amplitude",
    "Cnn",
    "DataOptions",
    "External",
    "Ffno",
    "FineTuneOptions",
    "Fno",
    "FnoVanilla",
    "ForwardModel",
    "FourQuadrant",
    "GroupingOptions",
    "InferenceConfig",
    "InferenceSetup",
    "LabelOptions",
    "MinDistance",
    "ModelConfig",
    "Nearest",
    "NeighbourRule",
    "Network",
    "NeuralopUno",
    "OverlapOptions",
    "PyTorchExecutionConfig",
    "RecordOptions",
    "RectangularScaled",
    "RefineOptions",
    "RegularisationOptions",
    "ScaleOptions",
    "StageOptions",
    "StitchOptions",
    "TorchOptions",
    "TrainingConfig",
    "TrainingSetup",
    "Unrolled",
]
