"""The verbs, which `ptycho_torch` offers too, with what engineers need besides. Only they, and the edges for other
programs, call `update_legacy_dict`. Each is imported when it is used, so that a reconstruction does not wait for
Lightning."""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from ptycho_torch.api.comparison import Evaluation as Evaluation
    from ptycho_torch.api.comparison import RunComparison as RunComparison
    from ptycho_torch.api.comparison import compare as compare
    from ptycho_torch.api.comparison import evaluate as evaluate
    from ptycho_torch.api.inference import Reconstruction as Reconstruction
    from ptycho_torch.api.inference import reconstruct as reconstruct
    from ptycho_torch.api.inference import resolve_inference as resolve_inference
    from ptycho_torch.api.loading import Trained as Trained
    from ptycho_torch.api.loading import load as load
    from ptycho_torch.api.refinement import Refinement as Refinement
    from ptycho_torch.api.refinement import refine as refine
    from ptycho_torch.api.refinement import refine_scan as refine_scan
    from ptycho_torch.api.repetition import Repetition as Repetition
    from ptycho_torch.api.repetition import rerun as rerun
    from ptycho_torch.api.reporting import report as report
    from ptycho_torch.api.scans import Inspection as Inspection
    from ptycho_torch.api.scans import inspect as inspect
    from ptycho_torch.api.scans import read_scan as read_scan
    from ptycho_torch.api.scans import simulate as simulate
    from ptycho_torch.api.training import TrainingRun as TrainingRun
    from ptycho_torch.api.training import resolve_training as resolve_training
    from ptycho_torch.api.training import train as train

if not TYPE_CHECKING:
    # For type checkers a module with `__getattr__` has every name.
    __getattr__, __dir__, __all__ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "comparison": ["Evaluation", "RunComparison", "compare", "evaluate"],
            "inference": ["Reconstruction", "reconstruct", "resolve_inference"],
            "refinement": ["Refinement", "refine", "refine_scan"],
            "loading": ["Trained", "load"],
            "repetition": ["Repetition", "rerun"],
            "reporting": ["report"],
            "scans": ["Inspection", "inspect", "read_scan", "simulate"],
            "training": ["TrainingRun", "resolve_training", "train"],
        },
    )
