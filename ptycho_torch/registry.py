"""Parts that are chosen by name: built in, or brought by another package through an entry point.

A part of another package is named `package:name` and found through the entry point `name` of the
group of its kind (`ptycho.networks`, `ptycho.losses`, `ptycho.readers`, `ptycho.stitch_weights`):

    [project.entry-points."ptycho.networks"]
    tiny = "mypackage.nets:Tiny"        # torch.net.name = "mypackage:tiny"
"""

import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from ptycho_config import ConfigError, Problem
from ptycho_config.errors import near_miss

T = TypeVar("T")


class Registry(Generic[T]):
    """The parts of one kind by name.

    kind: the noun for messages; group: the entry-point group of other packages.
    """

    def __init__(self, kind: str, group: str) -> None:
        self.kind, self.group = kind, group
        self._built_in: dict[str, T] = {}

    def add(self, name: str) -> Callable[[T], T]:
        """Register a built-in part under a name, as a decorator. Raises ValueError for a name in use."""

        def register(part: T) -> T:
            if name in self._built_in:
                raise ValueError(f"there is a {self.kind} {name!r} already")
            self._built_in[name] = part
            return part

        return register

    @property
    def built_in(self) -> dict[str, T]:
        """The parts of this package by name, in the order of registration."""
        return dict(self._built_in)

    def names(self) -> list[str]:
        """All names: built-in parts, then those of installed packages."""
        return [*self._built_in, *self._external()]

    def find(self, name: str, path: str) -> T:
        """The part of that name.

        name: of a built-in part, or `package:name`. path: the option that names it, for the error. Raises
        ConfigError where no installed package has it, or where its package cannot be imported.
        """
        if name in self._built_in:
            return self._built_in[name]
        point = self._external().get(name)
        if point is None:
            raise ConfigError([Problem(path, f"there is no {self.kind} {name!r}", hint=self._hint(name))])
        try:
            return cast("T", point.load())
        except (ImportError, AttributeError) as error:
            message = f"the {self.kind} {name!r} cannot be imported: {error}"
            raise ConfigError([Problem(path, message)]) from error

    def _external(self) -> dict[str, EntryPoint]:
        return _entry_points(self.group, tuple(sys.path))

    def _hint(self, name: str) -> str:
        package, colon, part = name.partition(":")
        known = [one for one in self.names() if not colon or one.startswith(f"{package}:")]
        if colon and not known:
            return f"install the package {package!r}, which declares the entry point {part!r} of {self.group!r}"
        return near_miss(name, known) or f"there is {', '.join(known)}"


@cache
def _entry_points(group: str, _path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """The parts of installed packages by name. A look at all that lies on the path takes 10 ms, once for each path."""
    return {f"{point.module.partition('.')[0]}:{point.name}": point for point in entry_points(group=group)}
