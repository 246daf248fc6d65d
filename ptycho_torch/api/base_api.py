"""The calls of ptychodus under the name where it looks for them."""

from ptycho_torch.compat.ptychodus.inference import InferenceEngine
from ptycho_torch.compat.ptychodus.training import (
    ConfigManager,
    DataloaderFormats,
    PtychoDataLoader,
    PtychoModel,
    Trainer,
)

__all__ = [
    "ConfigManager",
    "DataloaderFormats",
    "InferenceEngine",
    "PtychoDataLoader",
    "PtychoModel",
    "Trainer",
]
