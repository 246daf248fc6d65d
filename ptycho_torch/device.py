"""The machine that a run computes on: its device, memory, optional packages and fresh seeds."""

import os
import re
import resource
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch

from ptycho_config import ConfigError, Problem
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves_of

# In the message of torch where the memory of the machine is full.
CPU_ALLOCATOR = "DefaultCPUAllocator"


def choose_device(accelerator: str) -> torch.device:
    """The device that `execution.accelerator` means on this machine, or ConfigError.

    Never `mps`, which has no double precision: sums over a scan need it.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    usable = torch.device("cpu") if found is None or found.type == "mps" else found
    wanted = {"auto": usable.type, "gpu": "cuda"}.get(accelerator, accelerator)
    if wanted not in ("cpu", usable.type):
        has = f"is not available on this machine, which has {usable.type!r}"
        message = f"{accelerator!r} {'has no double precision' if wanted == 'mps' else has}"
        hint = "use 'auto' or 'cpu'"
        raise ConfigError([Problem("execution.accelerator", message, hint=hint)], "the execution options")
    return torch.device(wanted)


def free_gpu_bytes(device: torch.device) -> int | None:
    """Bytes that this process can still take on a CUDA device: those that are free, and those that torch keeps unused;
    None for other devices."""
    if device.type != "cuda":
        return None
    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


@contextmanager
def full_memory_as_error(device: torch.device, path: str) -> Iterator[None]:
    """Raise ConfigError, for the option at path, where the block takes more memory than the device, or the machine,
    has."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # On a CPU torch has no exception of its own for it.
        if not (isinstance(error, MemoryError | torch.OutOfMemoryError) or CPU_ALLOCATOR in str(error)):
            raise
        tried = re.search(r"allocate [\d.]+ \w+", str(error))
        place = "this machine" if device.type == "cpu" else "the GPU"
        message = f"takes more memory than {place} has: it could not {tried[0] if tried else 'allocate more'}"
        hint = "choose a smaller one, or another execution.accelerator"
        raise ConfigError([Problem(path, message, hint=hint)], "the run") from error


@contextmanager
def deterministic_kernels(device: torch.device) -> Iterator[None]:
    """In the block torch takes deterministic kernels on a device that has others, and warns where it has none for an
    operation; afterwards the mode is that of before. Those of a CPU are deterministic."""
    if device.type == "cpu":
        # The switch imports torch's compiler, which takes a second.
        yield
        return
    mode, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined] # it has
    # Older versions of torch have no deterministic products on CUDA without it.
    workspace = os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace or ":4096:8"
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    # A pass over every result, although nothing here is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if workspace is None:
            del os.environ["CUBLAS_WORKSPACE_CONFIG"]
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def seed_or_fresh(seed: int | None) -> int:
    """The configured seed, or a new one, which the run record keeps."""
    return secrets.randbits(32) if seed is None else seed


# Options that need packages which are not installed with this one; of each tuple one.
_PACKAGES = (
    ("execution.logger_backend", "tensorboard", ("tensorboard", "tensorboardX")),
    ("execution.logger_backend", "mlflow", ("mlflow",)),
    ("torch.net", "neuralop_uno", ("neuralop",)),
)


def check_packages(setup: TrainingSetup, find: Callable[[str], object] = find_spec, *, under: str = "") -> None:
    """Raise ConfigError for the options of a setup whose optional packages are not installed.

    find: gives None for a package that is missing. under: the beginning of the paths that are checked.
    """
    values = {path: value for path, _, value in leaves_of(setup)}
    problems = [
        Problem(
            path,
            f"{value!r} needs the package {names[0]!r}, which is not installed",
            hint=f"pip install 'ptycho[{'neuralop' if path == 'torch.net' else value}]', or choose another",
        )
        for path, value, names in _PACKAGES
        if path.startswith(under) and values[path] == value and not any(find(name) for name in names)
    ]
    if problems:
        raise ConfigError(problems, TrainingSetup.SCHEMA)


def peak_memory_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
