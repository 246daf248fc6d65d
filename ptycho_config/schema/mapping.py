"""A mapping that cannot be changed, as a value of a config."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from ptycho_config.schema.exact import exact

V = TypeVar("V")


class FrozenMapping(Mapping[str, V]):
    """Values by name, sorted by name; can be hashed."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, V]) -> None:
        self._values = {name: values[name] for name in sorted(values)}

    def __getitem__(self, name: str) -> V:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return exact(self) == exact(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(exact(self))

    def __repr__(self) -> str:
        return repr(self._values)
