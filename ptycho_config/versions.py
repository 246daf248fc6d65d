"""The version of a document, and the steps from an older one to the present."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ptycho_config.errors import ConfigError, Problem

SCHEMA_KEY = "schema"
# Before, the version stood here; for an editor it is the address of a JSON Schema.
EDITOR_KEY = "$schema"
_VERSION = re.compile(r"[A-Za-z_][\w.-]*/\d{1,9}")
_ADDRESS = re.compile(r"\S+://\S+|\S.*\.json#?")
Migration = Callable[[dict[str, Any]], dict[str, Any]]
_MIGRATIONS: dict[tuple[str, int], Migration] = {}


def migration(name: str, version: int) -> Callable[[Migration], Migration]:
    """Register the pure step that turns a document of `name/version` into the next version."""

    def register(step: Migration) -> Migration:
        if (name, version) in _MIGRATIONS:
            raise ValueError(f"there is a migration of {name}/{version} already")
        _MIGRATIONS[name, version] = step
        return step

    return register


def schema_of(cls: type) -> str | None:
    """The name and version of the documents of a config class; None where they have none."""
    schema: str | None = getattr(cls, "SCHEMA", None)
    return schema


def version_of(data: Mapping[str, Any], schema: str | None) -> str | None:
    """The `name/version` that a document `data` states; `schema` where it states none. Raises ConfigError."""
    editor, stated = data.get(EDITOR_KEY), data.get(SCHEMA_KEY) if schema else None
    former = schema is not None and isinstance(editor, str) and _VERSION.fullmatch(editor)
    if EDITOR_KEY in data and not former and not (isinstance(editor, str) and _ADDRESS.fullmatch(editor)):
        message = f"must be the address of a JSON Schema, got {editor!r}"
        hint = f"the version of a document is {SCHEMA_KEY}: {schema}" if schema else ""
        raise ConfigError([Problem(EDITOR_KEY, message, hint=hint)], schema or "a document")
    if schema is None:
        return None
    if SCHEMA_KEY not in data:
        return editor if former else schema
    if former and editor != stated:
        raise ConfigError([Problem(EDITOR_KEY, f"says {editor!r} and {SCHEMA_KEY!r} says {stated!r}")], schema)
    if not isinstance(stated, str) or not _VERSION.fullmatch(stated):
        raise ConfigError([Problem(SCHEMA_KEY, f"must be a version as {schema!r}, got {stated!r}")], schema)
    return stated


def body_of(data: Mapping[str, Any], schema: str | None) -> dict[str, Any]:
    """The document `data` without the keys of its version, in the version `schema`, step by step from an older one.

    Raises ConfigError for a newer or a foreign document, and where a key is given twice, nested and dotted.
    """
    found = version_of(data, schema)
    keys = {EDITOR_KEY} if schema is None else {EDITOR_KEY, SCHEMA_KEY}
    body = {key: value for key, value in data.items() if key not in keys}
    if schema is None or found is None or found == schema:
        return body
    name, _, current = schema.rpartition("/")
    found_name, _, version = found.rpartition("/")
    if found_name != name or int(version) > int(current):
        message = f"this version reads {schema!r}, the document is {found!r}"
        raise ConfigError([Problem(SCHEMA_KEY, message)], schema)
    body = _nest(body)
    for number in range(int(version), int(current)):
        step = _MIGRATIONS.get((name, number))
        if step is None:
            raise ConfigError([Problem(SCHEMA_KEY, f"there is no migration from {name}/{number}")], schema)
        body = step(body)
    return body


def migrate(data: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """The document `data` in the version `schema`, which it then states; raises as `body_of`."""
    editor = data.get(EDITOR_KEY)
    address = {EDITOR_KEY: editor} if isinstance(editor, str) and not _VERSION.fullmatch(editor) else {}
    return {**address, SCHEMA_KEY: schema, **body_of(data, schema)}


def _nest(data: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of dotted keys, for steps that know nested ones only."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        *groups, last = str(key).split(".")
        place = found
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise _twice(key)
        below = _nest(value) if isinstance(value, Mapping) else value
        if isinstance(below, dict) and isinstance(place.get(last), dict):
            if place[last].keys() & below.keys():
                raise _twice(key)
            place[last].update(below)
        elif last in place:
            raise _twice(key)
        else:
            place[last] = below
    return found


def _twice(key: str) -> ConfigError:
    return ConfigError([Problem(str(key), "is given twice, nested and dotted")], "a document of an older version")
