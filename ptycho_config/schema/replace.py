"""A changed copy of a config, as type checkers can follow it."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import attrs

from ptycho_config.schema.given import copy_given

C = TypeVar("C")
P = ParamSpec("P")


def replace(cls: Callable[P, C], config: C, *args: P.args, **changes: P.kwargs) -> C:
    """A copy of `config` with `changes` of its fields: `replace(ModelConfig, model, N=128)`.

    Where the config knows what its constructor was given, the copy was given that and the changes. Its class `cls`
    tells type checkers which fields there are; they ask for required fields too. There are no positional `args`.
    Raises ConfigError as the class does.
    """
    if type(config) is not cls or args:
        raise TypeError(f"give the class of the config, the config, and fields by name, got {cls!r} and {config!r}")
    values: Any = config
    made: C = attrs.evolve(values, **changes)
    copy_given(config, made, changes)
    return made
