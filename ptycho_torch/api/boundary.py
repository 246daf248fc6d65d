"""Where values meet the machine: seeds are drawn, devices chosen, memory measured."""

import resource
import secrets
import sys

import torch


def seed_or_fresh(seed: int | None) -> int:
    """The configured seed, or a new one, which the run record keeps."""
    return secrets.randbits(32) if seed is None else seed


def choose_device(accelerator: str) -> torch.device:
    """The device that `execution.accelerator` means on this machine."""
    if accelerator == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    return torch.device("cuda" if accelerator == "gpu" else accelerator)


def peak_memory_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
