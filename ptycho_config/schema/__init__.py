"""The schema: every option once, with unit, meaning, default and check. Each class is made when it is used, so
that the algebra alone does not wait for all of them."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ptycho_config.schema.execution import PyTorchExecutionConfig as PyTorchExecutionConfig
    from ptycho_config.schema.fine_tuning import FineTuneOptions as FineTuneOptions
    from ptycho_config.schema.forward import Amplitude as Amplitude
    from ptycho_config.schema.forward import ForwardModel as ForwardModel
    from ptycho_config.schema.forward import RectangularScaled as RectangularScaled
    from ptycho_config.schema.forward import ScaleOptions as ScaleOptions
    from ptycho_config.schema.grouping import FourQuadrant as FourQuadrant
    from ptycho_config.schema.grouping import GroupingOptions as GroupingOptions
    from ptycho_config.schema.grouping import MinDistance as MinDistance
    from ptycho_config.schema.grouping import Nearest as Nearest
    from ptycho_config.schema.grouping import NeighbourRule as NeighbourRule
    from ptycho_config.schema.inference import InferenceConfig as InferenceConfig
    from ptycho_config.schema.model import ModelConfig as ModelConfig
    from ptycho_config.schema.networks import Cnn as Cnn
    from ptycho_config.schema.networks import External as External
    from ptycho_config.schema.networks import Ffno as Ffno
    from ptycho_config.schema.networks import Fno as Fno
    from ptycho_config.schema.networks import FnoVanilla as FnoVanilla
    from ptycho_config.schema.networks import Network as Network
    from ptycho_config.schema.networks import NeuralopUno as NeuralopUno
    from ptycho_config.schema.networks import Unrolled as Unrolled
    from ptycho_config.schema.refine import RefineOptions as RefineOptions
    from ptycho_config.schema.setup import InferenceSetup as InferenceSetup
    from ptycho_config.schema.setup import TrainingSetup as TrainingSetup
    from ptycho_config.schema.torch_options import DataOptions as DataOptions
    from ptycho_config.schema.torch_options import LabelOptions as LabelOptions
    from ptycho_config.schema.torch_options import OverlapOptions as OverlapOptions
    from ptycho_config.schema.torch_options import RecordOptions as RecordOptions
    from ptycho_config.schema.torch_options import RegularisationOptions as RegularisationOptions
    from ptycho_config.schema.torch_options import StageOptions as StageOptions
    from ptycho_config.schema.torch_options import StitchOptions as StitchOptions
    from ptycho_config.schema.torch_options import TorchOptions as TorchOptions
    from ptycho_config.schema.training import TrainingConfig as TrainingConfig

if not TYPE_CHECKING:
    # For type checkers a module with `__getattr__` has every name.
    __getattr__, __dir__, __all__ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "execution": ["PyTorchExecutionConfig"],
            "fine_tuning": ["FineTuneOptions"],
            "forward": ["Amplitude", "ForwardModel", "RectangularScaled", "ScaleOptions"],
            "grouping": ["FourQuadrant", "GroupingOptions", "MinDistance", "Nearest", "NeighbourRule"],
            "inference": ["InferenceConfig"],
            "model": ["ModelConfig"],
            "networks": ["Cnn", "External", "Ffno", "Fno", "FnoVanilla", "Network", "NeuralopUno", "Unrolled"],
            "refine": ["RefineOptions"],
            "setup": ["InferenceSetup", "TrainingSetup"],
            "torch_options": [
                "DataOptions",
                "LabelOptions",
                "OverlapOptions",
                "RecordOptions",
                "RegularisationOptions",
                "StageOptions",
                "StitchOptions",
                "TorchOptions",
            ],
            "training": ["TrainingConfig"],
        },
    )
