"""The verbs: train, load, reconstruct. The only callers of `update_legacy_dict`."""

from ptycho_torch.api.inference import Reconstruction, reconstruct, resolve_inference
from ptycho_torch.api.solving import Trained, load
from ptycho_torch.api.training import TrainingRun, resolve_training, train

__all__ = [
    "Reconstruction",
    "Trained",
    "TrainingRun",
    "load",
    "reconstruct",
    "resolve_inference",
    "resolve_training",
    "train",
]
