"""Where values meet the machine: seeds are drawn, devices chosen, memory measured."""

import resource
import secrets
import sys
from importlib.util import find_spec

import torch

from ptycho_config import ConfigError, InferenceConfig, Problem, TorchOptions, TrainingConfig
from ptycho_torch.data.grouping import GroupPlan


def seed_or_fresh(seed: int | None) -> int:
    """The configured seed, or a new one, which the run record keeps."""
    return secrets.randbits(32) if seed is None else seed


def choose_device(accelerator: str) -> torch.device:
    """The device that `execution.accelerator` means on this machine, or ConfigError."""
    found = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    wanted = {"auto": found.type, "gpu": "cuda"}.get(accelerator, accelerator)
    if wanted not in ("cpu", found.type):
        message = f"{accelerator!r} is not available on this machine, which has {found.type!r}"
        hint = "use 'auto' or 'cpu'"
        raise ConfigError([Problem("execution.accelerator", message, hint=hint)], "the execution options")
    return torch.device(wanted)


def group_plan(run: TrainingConfig | InferenceConfig, options: TorchOptions) -> GroupPlan:
    """What a run asks of its groups."""
    pool = run.neighbor_pool_size or run.neighbor_count
    return GroupPlan(
        gridsize=run.model.gridsize,
        neighbor_count=run.neighbor_count,
        n_groups=run.n_groups,
        n_subsample=run.n_subsample,
        sequential=isinstance(run, TrainingConfig) and run.sequential_sampling,
        pool=pool if run.enable_oversampling else None,
        options=options.grouping,
    )


_LOGGER_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "mlflow": ("mlflow",)}


def check_logger(backend: str | None) -> None:
    """ConfigError where `execution.logger_backend` needs a package that is not installed."""
    packages = _LOGGER_PACKAGES.get(backend or "", ())
    if packages and not any(find_spec(name) for name in packages):
        message = f"{backend!r} needs the package {packages[0]!r}, which is not installed"
        hint = f"pip install {packages[0]}, or use 'csv' or null"
        raise ConfigError([Problem("execution.logger_backend", message, hint=hint)], "the execution options")


def peak_memory_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
