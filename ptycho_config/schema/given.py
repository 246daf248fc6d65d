"""The options that a config object was made with: a value alone cannot tell a default from a choice."""

import functools
from collections.abc import Iterable
from typing import Any

import attrs


class Given:
    """Base of the config classes that programs pass as sets of options: an object knows what its constructor
    was given, whatever the values. It is no part of equality."""

    __slots__ = ("_given",)

    @classmethod
    def __attrs_init_subclass__(cls) -> None:
        make: Any = cls.__init__

        @functools.wraps(make)
        def construct(self: Any, **values: Any) -> None:
            make(self, **values)
            object.__setattr__(self, "_given", frozenset(values))

        cls.__init__ = construct  # type: ignore[method-assign] # attrs has no place for it

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: getattr(self, name) for name in given_names(self)}
        return functools.partial(type(self), **values), ()


def copy_given(config: Any, made: Any, more: Iterable[str]) -> None:
    """Let `made`, a copy of `config`, have been given what that was, and `more`."""
    if isinstance(config, Given):
        object.__setattr__(made, "_given", given_names(config).union(more))


def given_names(config: Any) -> frozenset[str]:
    """The fields that the constructor of `config` was given; all of them where it was made from another
    config, by a transform or `attrs.evolve` (not by `replace`), and for a class that does not derive from `Given`."""
    names: frozenset[str] | None = getattr(config, "_given", None)
    return frozenset(attribute.name for attribute in attrs.fields(type(config))) if names is None else names
