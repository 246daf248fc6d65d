"""Where values meet the machine: seeds are drawn, devices chosen, memory measured."""

import resource
import secrets
import sys

import torch

from ptycho_config import ConfigError, Problem


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


def peak_memory_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
