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
from ptycho_config.schema.scalars import shorten
from ptycho_config.schema.specs import is_config, kind_of, members_of, specs
from ptycho_config.versions import SCHEMA_KEY, body_of, schema_of

C = TypeVar("C", bound=AnyConfig)
KIND_KEY = "kind"


@functools.cache
def converter() -> cattrs.Converter:
    """The one converter: strict, and it collects every problem of a document."""
    made = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    made.register_structure_hook_factory(is_config, _structure_hook)
    made.register_unstructure_hook_factory(is_config, _unstructure_hook)
    made.register_unstructure_hook(Path, str)
    made.register_unstructure_hook(date, lambda value: value.isoformat())
    return made


def tag_of(members: Mapping[str, type]) -> str:
    """The key that names the member of a choice: `kind`, or `$kind` where a member has an option of that name."""
    return f"${KIND_KEY}" if any(KIND_KEY in specs(member) for member in members.values()) else KIND_KEY


@functools.cache
def _tag(choice: Any) -> None:
    """Write and read the members of a choice with their kind; once, because cattrs forgets all hooks."""
    configure_tagged_union(choice, converter(), kind_of, tag_of(members_of(choice)))


def _structure_hook(cls: type) -> Callable[[Any, Any], Any]:
    hooks: Any = {name: override(struct_hook=_field_hook(spec)) for name, spec in specs(cls).items()}
    read: Callable[..., Any] = make_dict_structure_fn(cls, converter(), **hooks)

    def structure(data: Any, _: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ValueError(f"must be a table of options, got {shorten(data)}")  # noqa: TRY004 - a Problem
        return read(data, cls)

    return structure


def _field_hook(spec: FieldSpec) -> Callable[[Any, Any], Any]:
    if spec.is_group:
        return converter().get_structure_hook(spec.annotation)
    if not spec.members:
        return lambda value, _: spec.accept(value)
    _tag(spec.annotation)
    read, listed = converter().get_structure_hook(spec.annotation), ", ".join(map(repr, spec.members))
    tag = tag_of(spec.members)

    def structure(value: Any, choice: Any) -> Any:
        if not isinstance(value, Mapping) or tag not in value:
            raise ValueError(f"must be a table with {tag!r}, one of {listed}, got {shorten(value)}")
        if not isinstance(kind := value[tag], str) or kind not in spec.members:
            hint = near_miss(str(kind), spec.members)
            raise ConfigError([Problem(tag, f"must be one of {listed}, got {shorten(kind)}", hint=hint)])
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
    tag = tag_of(spec.members)
    return lambda value: {tag: "", **write(value)}


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
    """A config as plain data, with `schema`, its version, where its class names one."""
    data: dict[str, Any] = converter().unstructure(config)
    schema = schema_of(type(config))
    return {SCHEMA_KEY: schema, **data} if schema else data


def load(cls: type[C], data: Mapping[str, Any]) -> C:
    """The `cls` that `dump` wrote as `data`, migrated, or one ConfigError with all problems of the document."""
    schema = schema_of(cls)
    if not isinstance(data, Mapping):
        raise ConfigError([Problem("", f"must be a table of options, got {shorten(data)}")], schema or cls.__name__)
    body = body_of(data, schema)
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
