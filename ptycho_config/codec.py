"""Configs to and from plain data."""

import functools
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cattrs.strategies import configure_tagged_union

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves_of
from ptycho_config.schema.specs import is_config, kind_of, specs

C = TypeVar("C", bound=AnyConfig)
SCHEMA_KEY = "$schema"
KIND_KEY = "kind"
Migration = Callable[[dict[str, Any]], dict[str, Any]]
_MIGRATIONS: dict[tuple[str, int], Migration] = {}


@functools.cache
def converter() -> cattrs.Converter:
    """The one converter: strict, and it collects every problem of a document."""
    made = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    made.register_structure_hook_factory(is_config, _structure_hook)
    made.register_unstructure_hook_factory(is_config, _unstructure_hook)
    made.register_unstructure_hook(Path, str)
    made.register_unstructure_hook(date, lambda value: value.isoformat())
    return made


@functools.cache
def _tag(choice: Any) -> None:
    """Write and read the members of a choice with their kind; once, because cattrs forgets all hooks."""
    configure_tagged_union(choice, converter(), kind_of, KIND_KEY)


def _structure_hook(cls: type) -> Callable[[Any, Any], Any]:
    hooks: Any = {name: override(struct_hook=_field_hook(spec)) for name, spec in specs(cls).items()}
    read: Callable[..., Any] = make_dict_structure_fn(cls, converter(), **hooks)

    def structure(data: Any, _: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValueError(f"must be a table of options, got {data!r}")  # noqa: TRY004 - a Problem
        return read(data, cls)

    return structure


def _field_hook(spec: FieldSpec) -> Callable[[Any, Any], Any]:
    if spec.is_group:
        return converter().get_structure_hook(spec.annotation)
    if not spec.members:
        return lambda value, _: spec.accept(value)
    _tag(spec.annotation)
    read, listed = converter().get_structure_hook(spec.annotation), ", ".join(map(repr, spec.members))

    def structure(value: Any, choice: Any) -> Any:
        if not isinstance(value, Mapping) or KIND_KEY not in value:
            raise ValueError(f"must be a table with {KIND_KEY!r}, one of {listed}, got {value!r}")
        if (kind := value[KIND_KEY]) not in spec.members:
            hint = near_miss(str(kind), spec.members)
            raise ConfigError([Problem(KIND_KEY, f"must be one of {listed}, got {kind!r}", hint=hint)])
        return read(dict(value), choice)

    return structure


def _unstructure_hook(cls: type) -> Callable[[Any], Any]:
    choices = [spec for spec in specs(cls).values() if spec.members]
    hooks: Any = {spec.name: override(unstruct_hook=_write_choice(spec)) for spec in choices}
    return make_dict_unstructure_fn(cls, converter(), **hooks)


def _write_choice(spec: FieldSpec) -> Callable[[Any], dict[str, Any]]:
    _tag(spec.annotation)
    write = converter().get_unstructure_hook(spec.annotation)
    # The kind first, for people.
    return lambda value: {KIND_KEY: "", **write(value)}


def _problems(error: BaseException) -> Iterator[Problem]:
    """The problems that cattrs found, each with its path."""
    match error:
        case ConfigError():
            yield from error.problems
        case cattrs.ForbiddenExtraKeysError():
            known = [attribute.name for attribute in attrs.fields(error.cl)]
            unknown = sorted(map(str, error.extra_fields))
            yield from (Problem(key, "unknown field", hint=near_miss(key, known)) for key in unknown)
        case cattrs.ClassValidationError() | cattrs.IterableValidationError():
            placed, others = error.group_exceptions()
            for one, note in placed:
                place = note.name if isinstance(note, cattrs.AttributeValidationNote) else str(note.index)
                yield from (problem.under(place) for problem in _problems(one))
            for one in others:
                yield from _problems(one)
        case KeyError():
            yield Problem("", "is required")
        case _:
            yield Problem("", str(error))


def dump(config: Any) -> dict[str, Any]:
    """A config as plain data, with `$schema` where its class names one."""
    data: dict[str, Any] = converter().unstructure(config)
    schema = getattr(type(config), "SCHEMA", None)
    return {SCHEMA_KEY: schema, **data} if schema else data


def migration(name: str, version: int) -> Callable[[Migration], Migration]:
    """Register the pure step that turns a document of `name/version` into the next version."""

    def register(step: Migration) -> Migration:
        if (name, version) in _MIGRATIONS:
            raise ValueError(f"there is a migration of {name}/{version} already")
        _MIGRATIONS[name, version] = step
        return step

    return register


def migrate(data: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """The document `data` in the version of `schema` (`name/version`), step by step; without
    `$schema` it counts as current. Raises ConfigError for a newer or a foreign document."""
    name, _, current = schema.rpartition("/")
    found = str(data.get(SCHEMA_KEY, schema))
    found_name, _, found_version = found.rpartition("/")
    if found_name != name or not found_version.isdigit() or int(found_version) > int(current):
        message = f"this version reads {schema!r}, the document is {found!r}"
        raise ConfigError([Problem(SCHEMA_KEY, message)], schema)
    if found == schema:
        return dict(data) if SCHEMA_KEY in data else {SCHEMA_KEY: schema, **data}
    body = {key: value for key, value in data.items() if key != SCHEMA_KEY}
    for version in range(int(found_version), int(current)):
        step = _MIGRATIONS.get((name, version))
        if step is None:
            raise ConfigError([Problem(SCHEMA_KEY, f"there is no migration from {name}/{version}")], schema)
        body = step(body)
    return {SCHEMA_KEY: schema, **body}


def load(cls: type[C], data: Mapping[str, Any]) -> C:
    """The `cls` that `dump` wrote as `data`, migrated, or one ConfigError with all problems of the document."""
    schema = getattr(cls, "SCHEMA", None)
    current = migrate(data, schema) if schema else data
    body = {key: value for key, value in current.items() if key != SCHEMA_KEY}
    try:
        return converter().structure(body, cls)
    except (ConfigError, cattrs.BaseValidationError) as error:
        raise ConfigError(_problems(error), schema or cls.__name__) from None


def fingerprint(config: Any, without: Collection[str] = ()) -> str:
    """sha256 of the sorted JSON of every field that is part of the config's identity, but for the paths
    in `without`."""
    values = converter().unstructure(config)
    for path, spec, _ in leaves_of(config):
        if not spec.identity or path in without:
            *groups, name = path.split(".")
            node = values
            for group in groups:
                node = node[group]
            del node[name]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
