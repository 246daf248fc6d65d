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

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.places import element_spec, holds_configs
from ptycho_config.schema.scalars import shorten
from ptycho_config.schema.specs import is_config, kind_of, specs, specs_of
from ptycho_config.steps import join
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
    """The key that names which of the `members` of a choice is meant: `kind`, or `$kind` where one has an option of
    that name."""
    return f"${KIND_KEY}" if any(KIND_KEY in specs(member) for member in members.values()) else KIND_KEY


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
    if spec.members:
        return _choice_hook(spec)
    return _elements_hook(spec) if holds_configs(spec) else lambda value, _: spec.accept(value)


def _choice_hook(spec: FieldSpec) -> Callable[[Any, Any], Any]:
    """A reader of a choice; a config that can be off is a table like any other, or null."""
    tag, listed = tag_of(spec.members), ", ".join(map(repr, spec.members))
    read = {kind: converter().get_structure_hook(member) for kind, member in spec.members.items()}
    only = spec.only_member

    def structure(value: Any, _: Any) -> Any:
        if value is None and spec.optional:
            return None
        if not isinstance(value, Mapping) or (tag not in value and only is None):
            expected = "a table of options or null" if only else f"a table with {tag!r}, one of {listed}"
            raise ValueError(f"must be {expected}, got {shorten(value)}")
        kind = value.get(tag, only)
        if not isinstance(kind, str) or kind not in spec.members:
            hint = near_miss(str(kind), spec.members)
            raise ConfigError([Problem(tag, f"must be one of {listed}, got {shorten(kind)}", hint=hint)])
        return read[kind]({key: one for key, one in value.items() if key != tag}, spec.members[kind])

    return structure


def _elements_hook(spec: FieldSpec) -> Callable[[Any, Any], Any]:
    """A reader of a tuple or a mapping of configs."""

    def read_element(name: str, value: Any, problems: list[Problem]) -> Any:
        place = element_spec(spec, name)
        try:
            return value if place is None else _field_hook(place)(value, place.annotation)
        except (cattrs.BaseValidationError, ValueError) as error:
            problems += [problem.under(name) for problem in _problems(error)]

    def structure(value: Any, _: Any) -> Any:
        made, problems = value, list[Problem]()
        if isinstance(value, (list, tuple)):
            made = [read_element(str(position), one, problems) for position, one in enumerate(value)]
        elif isinstance(value, Mapping):
            made = {name: read_element(str(name), one, problems) for name, one in value.items()}
        if problems:
            raise ConfigError(problems)
        return spec.accept(made)

    return structure


def read_value(spec: FieldSpec, value: Any, *, is_element: bool) -> Any:
    """The `value` of an option with `spec` as it is written, with configs for the tables in a list or table of them;
    where it is an element (`is_element`), also for a table alone. Raises ConfigError with every problem."""
    if holds_configs(spec) and isinstance(value, (list, Mapping)):
        return _elements_hook(spec)(value, spec.annotation)
    if is_element and (spec.is_group or spec.members) and isinstance(value, Mapping):
        try:
            return _field_hook(spec)(value, spec.annotation)
        except cattrs.BaseValidationError as error:
            raise ConfigError(_problems(error)) from None
    return value


def _unstructure_hook(cls: type) -> Callable[[Any], Any]:
    nested = [spec for spec in specs(cls).values() if spec.members or spec.has_elements]
    hooks: Any = {spec.name: override(unstruct_hook=functools.partial(write_value, spec)) for spec in nested}
    return make_dict_unstructure_fn(cls, converter(), **hooks)


def write_value(spec: FieldSpec, value: Any) -> Any:
    """The `value` of an option with `spec` as plain data."""
    if value is None:
        return None
    if spec.members:
        plain = converter().unstructure(value)
        # The kind first, for people.
        return plain if spec.only_member else {tag_of(spec.members): kind_of(type(value)), **plain}
    if isinstance(value, Mapping):
        return {name: _write_element(spec, name, one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [_write_element(spec, str(position), one) for position, one in enumerate(value)]
    return converter().unstructure(value)


def _write_element(spec: FieldSpec, name: str, value: Any) -> Any:
    place = element_spec(spec, name)
    return converter().unstructure(value) if place is None else write_value(place, value)


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
    _drop_others(config, values, "", without)
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _drop_others(value: Any, plain: Any, path: str, without: Collection[str]) -> None:
    """Remove from `plain`, the data of the `value` at a path, what is no part of the identity."""
    known = specs_of(type(value))
    if known is None and isinstance(value, (tuple, Mapping)):
        for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
            _drop_others(one, plain[key], join(path, str(key)), without)
    for name, spec in (known or {}).items():
        here = join(path, name)
        if not spec.identity or here in without:
            del plain[name]
        elif spec.is_group or spec.members or spec.has_elements:
            _drop_others(getattr(value, name), plain[name], here, without)
