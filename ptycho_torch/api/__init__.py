"""The verbs: train, load, reconstruct. The only callers of `update_legacy_dict`."""

from ptycho_torch.api.inference import Reconstruction, Trained, load, reconstruct
from ptycho_torch.api.training import TrainingRun, train

__all__ = ["Reconstruction", "Trained", "TrainingRun", "load", "reconstruct", "train"]
