"""The verbs: train, load, reconstruct, rerun. Only they, and the edges for other programs, call
`update_legacy_dict`. Each is imported when it is used, so that a reconstruction does not wait for
Lightning."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ptycho_torch.api.inference import Reconstruction as Reconstruction
    from ptycho_torch.api.inference import reconstruct as reconstruct
    from ptycho_torch.api.inference import resolve_inference as resolve_inference
    from ptycho_torch.api.loading import Trained as Trained
    from ptycho_torch.api.loading import load as load
    from ptycho_torch.api.refinement import Refinement as Refinement
    from ptycho_torch.api.refinement import refine_scan as refine_scan
    from ptycho_torch.api.repetition import Repetition as Repetition
    from ptycho_torch.api.repetition import rerun as rerun
    from ptycho_torch.api.training import TrainingRun as TrainingRun
    from ptycho_torch.api.training import resolve_training as resolve_training
    from ptycho_torch.api.training import train as train

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "inference": ["Reconstruction", "reconstruct", "resolve_inference"],
        "refinement": ["Refinement", "refine_scan"],
        "loading": ["Trained", "load"],
        "repetition": ["Repetition", "rerun"],
        "training": ["TrainingRun", "resolve_training", "train"],
    },
)
