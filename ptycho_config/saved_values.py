"""The values of changes as JSON, and back to the same values: `Path`, tuples, dates, enums and configs too."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from ptycho_config.codec import KIND_KEY, dump, load
from ptycho_config.errors import near_miss
from ptycho_config.schema.mapping import FrozenMapping
from ptycho_config.schema.specs import is_config, kind_of, specs

# A table of one such key stands for what JSON lacks; a datetime is a date too.
_TEXTS: dict[str, tuple[type, Any, Any]] = {
    "$path": (Path, str, Path),
    "$time": (datetime, datetime.isoformat, datetime.fromisoformat),
    "$date": (date, date.isoformat, date.fromisoformat),
}
_KIND = "$kind"


def value_to_json(value: Any) -> Any:
    """JSON that `value_from_json` reads as this `value`. Raises ValueError for what no config holds."""
    plain = value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    if plain:
        return value
    texts = ({key: write(value)} for key, (kind, write, _) in _TEXTS.items() if isinstance(value, kind))
    return next(texts, None) or _table_of(value)


def _table_of(value: Any) -> Any:
    if is_config(type(value)):
        return {_KIND: kind_of(type(value)), **dump(value)}
    match value:
        case list():
            return list(map(value_to_json, value))
        case tuple():
            return {"$tuple": list(map(value_to_json, value))}
        case Enum():
            return {"$enum": value_to_json(value.value)}
        case Mapping():
            return {"$table": {str(key): value_to_json(one) for key, one in value.items()}}
    raise ValueError(f"{value!r} is no value of a config")


def value_from_json(data: Any, classes: Iterable[type]) -> Any:
    """The value that `data` stands for, where a config or an enum is one of `classes`. Raises ValueError."""
    known = tuple(classes)
    if isinstance(data, list):
        return [value_from_json(one, known) for one in data]
    if not isinstance(data, Mapping):
        return data
    # Before, a config was written with its kind alone.
    key = next((key for key in data if key in _TABLES or key in _TEXTS), None)
    if key is None:
        raise ValueError(f"{dict(data)!r} is no value of a config")
    return _TEXTS[key][2](data[key]) if key in _TEXTS else _TABLES[key](data, key, known)


def _read_tuple(data: Mapping[str, Any], key: str, classes: tuple[type, ...]) -> tuple[Any, ...]:
    return tuple(value_from_json(one, classes) for one in data[key])


def _read_table(data: Mapping[str, Any], key: str, classes: tuple[type, ...]) -> FrozenMapping[Any]:
    return FrozenMapping({name: value_from_json(one, classes) for name, one in data[key].items()})


def _read_enum(data: Mapping[str, Any], key: str, classes: tuple[type, ...]) -> Enum:
    enums = [one for one in classes if issubclass(one, Enum) and data[key] in {member.value for member in one}]
    if not enums:
        raise ValueError(f"there is no {data[key]!r} here")
    return enums[0](data[key])


def _read_config(data: Mapping[str, Any], key: str, classes: tuple[type, ...]) -> Any:
    members = {kind_of(one): one for one in classes if is_config(one)}
    if data[key] not in members:
        raise ValueError(f"there is no {data[key]!r} here. {near_miss(str(data[key]), members)}".strip())
    return load(members[data[key]], {name: one for name, one in data.items() if name != key})


_TABLES: dict[str, Any] = {
    _KIND: _read_config,
    "$tuple": _read_tuple,
    "$table": _read_table,
    "$enum": _read_enum,
    KIND_KEY: _read_config,
}


def classes_at(cls: type, path: str) -> frozenset[type]:
    """The classes of the values that the config class `cls` can hold at `path`, whatever members the choices
    above have; those of its elements for a tuple."""
    found = {cls}
    for token in path.split(".") if path else ():
        name, _, kind = token.partition(":")
        known = [specs(one) for one in found if is_config(one)]
        annotations = [fields[name].annotation for fields in known if name in fields]
        # An element of a tuple or a table is one of the classes of the whole.
        below = {one for annotation in annotations for one in _classes(annotation)} if annotations else found
        found = {one for one in below if not kind or kind_of(one) == kind}
    return frozenset(found)


def _classes(annotation: Any) -> Iterator[type]:
    if arguments := get_args(annotation):
        for one in arguments:
            yield from _classes(one)
    elif isinstance(annotation, type):
        yield annotation
