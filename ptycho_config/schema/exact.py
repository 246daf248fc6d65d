"""Equality that tells 1, 1.0 and True apart, as their JSON does."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin


def exact(value: Any) -> Any:
    """A key of `value` by type and value, also within sequences and mappings; it can be hashed. A list counts as the
    tuple that a config makes of it."""
    if isinstance(value, (tuple, list)):
        return (tuple, *map(exact, value))
    if isinstance(value, Mapping):
        return (Mapping, frozenset((name, exact(one)) for name, one in value.items()))
    return type(value), value


def differ(first: Any, second: Any) -> bool:
    """Whether the values `first` and `second` are of different types or unequal."""
    return first is not second and (first != second or exact(first) != exact(second))


def is_ambiguous(annotation: Any) -> bool:
    """Whether a field of this annotation can have equal values of different types."""
    return len(_numbers(annotation)) > 1


def _numbers(annotation: Any) -> set[type]:
    arguments = get_args(annotation)
    found = set(map(type, arguments)) if get_origin(annotation) is Literal else set().union(*map(_numbers, arguments))
    return (found | {annotation} if isinstance(annotation, type) else found) & {bool, int, float}
