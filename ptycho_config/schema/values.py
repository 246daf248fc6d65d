"""Strict values of every annotation of a field: literals, enums, unions, tuples, mappings, configs and choices."""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ptycho_config.errors import near_miss
from ptycho_config.schema.checks import Check
from ptycho_config.schema.mapping import FrozenMapping
from ptycho_config.schema.scalars import SCALARS, Coerce, shorten
from ptycho_config.schema.specs import is_config, members_of

# A path can name no other element.
NAME = re.compile(r"[^.:=\s]+")


def acceptor(annotation: Any, check: Check | None) -> Coerce:
    """The function that accepts a value of `annotation` which passes the `check`, or raises ValueError with the
    reason."""
    coerce = coercer(annotation)
    if check is None:
        return coerce

    def accept(value: object) -> Any:
        coerced = coerce(value)
        reason = None if coerced is None else check(coerced)
        if reason:
            raise ValueError(f"{reason}, got {shorten(value)}")
        return coerced

    return accept


def coercer(annotation: Any) -> Coerce:
    """The function that accepts a value of `annotation` or raises ValueError with the reason."""
    if annotation in SCALARS:
        return SCALARS[annotation]
    members, arguments = members_of(annotation), get_args(annotation)
    if members or is_config(annotation):
        return _config(members or {"": annotation}, optional=NoneType in arguments)
    if get_origin(annotation) in _MAKERS:
        return _MAKERS[get_origin(annotation)](arguments)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum(annotation)
    raise TypeError(
        f"{annotation!r} cannot be a config field: use scalars, Path, dates, Literal, Enum, another @config class, "
        "choices between such classes, unions and tuples of them, or Mapping[str, ...]"
    )


def _config(members: dict[str, type], *, optional: bool) -> Coerce:
    classes = frozenset(members.values())
    only = next(iter(members.values())).__name__
    expected = f"an instance of {only}" if len(members) == 1 else f"one of {', '.join(map(repr, members))}"
    expected += " or null" if optional else ""

    def coerce(value: object) -> Any:
        # Exactly: of a class derived from it, the fields that it adds would be lost.
        if type(value) in classes or (value is None and optional):
            return value
        if isinstance(value, str) and value in members:
            return members[value]()
        raise ValueError(f"must be {expected}, got {_shorten(value, members)}")

    return coerce


def _shorten(value: object, known: Iterable[object]) -> str:
    """The value, and the word that is known and may be meant by it."""
    close = near_miss(value, [one for one in known if isinstance(one, str)]) if isinstance(value, str) else ""
    return f"{shorten(value)}; {close}" if close else shorten(value)


def _literal(choices: tuple[Any, ...]) -> Coerce:
    listed = ", ".join(map(repr, choices))
    known = {(type(choice), choice): choice for choice in choices}

    def coerce(value: object) -> Any:
        try:
            return known[type(value), value]
        except (KeyError, TypeError):
            raise ValueError(f"must be one of {listed}, got {_shorten(value, choices)}") from None

    return coerce


def _enum(cls: type[Enum]) -> Coerce:
    if not all(isinstance(member.value, (str, int, float)) for member in cls):
        raise TypeError(f"the values of {cls.__name__} must be text or numbers, as files hold nothing else")
    of_values = _literal(tuple(member.value for member in cls))
    return lambda value: value if isinstance(value, cls) else cls(of_values(value))


def _union(members: tuple[Any, ...]) -> Coerce:
    if any(map(is_config, members)):
        raise TypeError(f"{members!r} cannot be a config field: config classes can only be alternatives to each other")
    coercers = [coercer(member) for member in members]
    nullable = NoneType in members

    def coerce(value: object) -> Any:
        if value is None and nullable:
            return None
        reasons = []
        for attempt in coercers:
            try:
                return attempt(value)
            except ValueError as error:
                reasons.append(str(error).removesuffix(f", got {shorten(value)}").removeprefix("must be "))
        raise ValueError(f"must be {' or '.join(reasons)}, got {shorten(value)}")

    return coerce


def _tuple(items: tuple[Any, ...]) -> Coerce:
    if len(items) == 2 and items[1] is Ellipsis:
        each = coercer(items[0])
        return lambda value: tuple(map(each, _sequence(value)))
    coercers = tuple(map(coercer, items))

    def coerce(value: object) -> Any:
        sequence = _sequence(value)
        if len(sequence) != len(coercers):
            raise ValueError(f"must have {len(coercers)} items, got {shorten(value)}")
        return tuple(one(item) for one, item in zip(coercers, sequence, strict=True))

    return coerce


def _sequence(value: object) -> tuple[Any, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(value)
    raise ValueError(f"must be a list, got {shorten(value)}")


def _mapping(arguments: tuple[Any, ...]) -> Coerce:
    if arguments[0] is not str:
        raise TypeError(f"the names in a mapping are text, not {arguments[0]!r}: use Mapping[str, ...]")
    each = coercer(arguments[1])

    def coerce(value: object) -> FrozenMapping[Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a table of values by name, got {shorten(value)}")  # noqa: TRY004 - a Problem
        wrong = [name for name in value if not (isinstance(name, str) and NAME.fullmatch(name))]
        if wrong:
            raise ValueError(f"must have names without '.', ':', '=' and spaces, got {shorten(wrong[0])}")
        return FrozenMapping({name: each(one) for name, one in value.items()})

    return coerce


_MAKERS: dict[Any, Callable[[tuple[Any, ...]], Coerce]] = {
    Literal: _literal,
    Union: _union,
    UnionType: _union,
    tuple: _tuple,
    Mapping: _mapping,
}
