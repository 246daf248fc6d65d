"""The device that a run computes on."""

import torch

from ptycho_config import ConfigError, Problem


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
