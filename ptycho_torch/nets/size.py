"""The memory of a network, before it is made."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ptycho_config import ConfigError, Problem
from ptycho_torch.device import CPU_ALLOCATOR
from ptycho_torch.memory import free_bytes, shortage

# Python's own part of a parameter, with its share of the modules.
_OBJECT_BYTES = 2600


@contextmanager
def limited_size(path: str, copies: int, gpu_free: int | None = None, *, values: bool) -> Iterator[None]:
    """Networks that are made in the block have sizes, but no values unless these are wanted.

    Raises ConfigError, as soon as it is known, where `copies` of their parameters do not fit into memory, or into the
    gpu_free bytes of a GPU, if one computes. path: of the option that names the network.
    """
    needed, free = 0, free_bytes()

    def count(_: nn.Module, __: str, parameter: Any) -> None:
        nonlocal needed
        if parameter is not None:
            needed += copies * parameter.nbytes + _OBJECT_BYTES
            if lacking := shortage(needed, free, gpu_free):
                raise ConfigError(
                    [Problem(path, f"would be too large: with its parameters alone it {lacking}", hint=_SMALLER)]
                )

    counting = register_module_parameter_registration_hook(count)
    try:
        with nullcontext() if values else torch.device("meta"):
            yield
    except (RuntimeError, TypeError) as error:
        if values and CPU_ALLOCATOR not in str(error):
            raise
        message = f"has a size that no network can have: {str(error).splitlines()[0]}"
        raise ConfigError([Problem(path, message, hint=_SMALLER)]) from None
    finally:
        counting.remove()


_SMALLER = "choose fewer layers or channels"
