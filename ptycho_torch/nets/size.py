"""The memory of a network, before it is made."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from ptycho_config import ConfigError, Problem
from ptycho_torch.memory import free_bytes, shortage

# Python's own part of a parameter, with its share of the modules.
_OBJECT_BYTES = 2600


@contextmanager
def only_sizes(path: str, copies: int) -> Iterator[None]:
    """Networks that are made in the block have sizes, but no values.

    Raises ConfigError, as soon as it is known, where `copies` of their parameters do not fit into memory. path: of the
    option that names the network.
    """
    needed, free = 0, free_bytes()

    def count(_: nn.Module, __: str, parameter: Any) -> None:
        nonlocal needed
        if parameter is not None:
            needed += copies * parameter.nbytes + _OBJECT_BYTES
            if lacking := shortage(needed, free):
                raise ConfigError(
                    [Problem(path, f"would be too large: with its parameters alone it {lacking}", hint=_SMALLER)]
                )

    counting = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"):
            yield
    except (RuntimeError, TypeError) as error:
        message = f"has a size that no network can have: {str(error).splitlines()[0]}"
        raise ConfigError([Problem(path, message, hint=_SMALLER)]) from None
    finally:
        counting.remove()


_SMALLER = "choose fewer layers or channels"
