"""The schema of a config class as JSON Schema (draft 2020-12), for editors and other programs.

It describes files of options as they are read: complete or partial, nested or dotted, with other names of options.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from ptycho_config.codec import tag_of, write_value
from ptycho_config.formats.core_scalars import core_value
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.places import spec_of
from ptycho_config.schema.scalars import EntryPoint
from ptycho_config.schema.specs import specs
from ptycho_config.schema.values import NAME
from ptycho_config.short_names import vocabulary_of
from ptycho_config.steps import plain_path
from ptycho_config.versions import EDITOR_KEY, SCHEMA_KEY, schema_of

_Table = dict[str, Any]
# YAML reads a number or a switch without quotes as text where text is meant.
_TEXT: _Table = {"type": ["string", "number", "boolean", "null"]}
_TYPES: dict[Any, _Table] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
    **dict.fromkeys((str, EntryPoint, Path), _TEXT),
    date: {"type": "string"},
    datetime: {"type": "string"},
}


def json_schema(cls: type) -> _Table:
    """Types, ranges, choices, defaults and meanings of every option below `cls`."""
    writer = _Writer()
    body = writer.table(cls)
    schema = schema_of(cls)
    options = {**_other_names(cls, writer), **body["properties"]}
    body["properties"] = {EDITOR_KEY: {"type": "string"}, **options}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": schema or cls.__name__}
    if schema is None:
        return {**head, **body, "$defs": writer.definitions}
    body["properties"] = {SCHEMA_KEY: {"const": schema}, **body["properties"]}
    name, _, version = schema.rpartition("/")
    # Options of older versions have other names; reading the document brings them up.
    older = [f"{name}/{number}" for number in range(1, int(version))]
    stated = [{"required": [key], "properties": {key: {"enum": older}}} for key in (SCHEMA_KEY, EDITOR_KEY)]
    return {**head, "type": "object", "if": {"anyOf": stated}, "else": body, "$defs": writer.definitions}


def _other_names(cls: type, writer: "_Writer") -> _Table:
    """The names of options that the root class `cls` understands besides their paths, and the tables of them."""
    places: dict[str, list[_Table]] = {}
    for key, own in writer.keys(cls):
        places.setdefault(key, []).append(own)
    vocabulary = vocabulary_of(cls)
    tables: _Table = {one: {"type": "object", "properties": {}} for one in vocabulary.tables}
    names = {}
    for name, alias in vocabulary.aliases.items():
        if alias.paths:
            names[name] = _any_of([*places[plain_path(alias.paths[0])], *alias.translation.forms])
            table, _, inner = name.partition(".")
            if table in tables:
                tables[table]["properties"][inner] = names[name]
    return {**names, **{name: {**table, "additionalProperties": False} for name, table in tables.items()}}


class _Writer:
    """Writes each field once, under `$defs`."""

    def __init__(self) -> None:
        self.definitions: _Table = {}
        self._names: dict[tuple[type, str, bool], str] = {}

    def table(self, cls: type, *, whole: bool = False) -> _Table:
        """A table of options of a `cls`; a `whole` one is an element, which is never merged with another, else keys
        may be paths."""
        found: dict[str, list[_Table]] = {}
        for key, own in self.keys(cls, whole=whole):
            found.setdefault(key, []).append(own)
        made = {"type": "object", "additionalProperties": False}
        made["properties"] = {key: _any_of(one) for key, one in found.items()}
        if whole:
            return {**made, "required": [name for name, spec in specs(cls).items() if spec.required]}
        return {**made, "patternProperties": {rf"^{pattern}\.": {} for pattern in _elements(cls)}}

    def keys(self, cls: type, *, whole: bool = False) -> Iterator[tuple[str, _Table]]:
        """The paths of the options below `cls`, of groups too, with and without the kinds that they may demand, and
        where each is described."""
        for name, spec in specs(cls).items():
            own = self._reference(cls, spec, whole=whole)
            yield name, own
            for kind, member in () if whole else _classes(spec):
                starts = [name, f"{name}:{kind}"] if kind else [name]
                yield from ((start, own) for start in starts[1:])
                for key, inner in self.keys(member):
                    yield from ((f"{start}.{key}", inner) for start in starts)
            if spec.members and not whole:
                yield f"{name}.{tag_of(spec.members)}", {"enum": list(spec.members)}

    def _reference(self, cls: type, spec: FieldSpec, *, whole: bool) -> _Table:
        key = (cls, spec.name, whole)
        if key not in self._names:
            name = f"{cls.__module__}.{cls.__qualname__}.{spec.name}{' of an element' if whole else ''}"
            self._names[key] = name
            self.definitions[name] = self._field(spec, whole=whole)
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _field(self, spec: FieldSpec, *, whole: bool) -> _Table:
        found: _Table = {"description": spec.doc + (f" ({spec.unit})" if spec.unit else "")}
        if spec.unread:
            found |= {"description": f"{found['description']}. Not read: {spec.unread}", "deprecated": True}
        if not (spec.is_group or spec.required):
            found["default"] = write_value(spec, spec.default)
        forms = [self._place(spec, whole=whole), *([{"enum": list(spec.renamed)}] if spec.renamed else [])]
        return {**found, **_any_of(forms), **getattr(spec.check, "json_schema", {})}

    def _place(self, spec: FieldSpec, *, whole: bool) -> _Table:
        if spec.is_group:
            return self.table(spec.annotation, whole=whole)
        if not spec.members:
            return self._type(spec.annotation)
        tag, forms = tag_of(spec.members), []
        for kind, member in spec.members.items():
            form = self.table(member, whole=whole)
            form["properties"] = {tag: {"const": kind}, **form["properties"]}
            if whole and not spec.only_member:
                form["required"] = [tag, *form["required"]]
            forms.append(form)
        null = [_TYPES[NoneType]] if spec.optional else []
        return _any_of([*([] if whole else [_enum(tuple(spec.members))]), *forms, *null])

    def _type(self, annotation: Any) -> _Table:
        arguments = get_args(annotation)
        place = spec_of(annotation)
        if place.is_group or place.members:
            return self._place(place, whole=True)
        match get_origin(annotation):
            case origin if origin is Literal:
                return _enum(arguments)
            case origin if origin in (Union, UnionType):
                return _any_of([self._type(one) for one in arguments])
            case origin if origin is tuple:
                return self._tuple(arguments)
            case origin if origin is Mapping:
                names = {"pattern": f"^{NAME.pattern}$"}
                return {"type": "object", "propertyNames": names, "additionalProperties": self._type(arguments[1])}
        named = isinstance(annotation, type) and issubclass(annotation, Enum)
        return _enum(tuple(member.value for member in annotation)) if named else _TYPES[annotation]

    def _tuple(self, arguments: tuple[Any, ...]) -> _Table:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": self._type(arguments[0])}
        items = [self._type(argument) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _any_of(forms: Sequence[Mapping[str, Any]]) -> _Table:
    return {**forms[0]} if len(forms) == 1 else {"anyOf": [*forms]}


def _enum(values: tuple[Any, ...]) -> _Table:
    """These values; of a text also what YAML reads it as."""
    read = (core_value(one) for one in values if isinstance(one, str))
    return {"enum": [*values, *(value for value in read if not isinstance(value, str))]}


def _classes(spec: FieldSpec) -> list[tuple[str, type]]:
    """The configs that a field may hold, each with its kind where it is a choice."""
    return [("", spec.annotation)] if spec.is_group else list(spec.members.items())


def _elements(cls: type) -> Iterator[str]:
    """Patterns of the paths below `cls` that have elements."""
    for name, spec in specs(cls).items():
        if spec.has_elements:
            yield name
        for _, member in _classes(spec):
            yield from (rf"{name}(:[^.]+)?\.{inner}" for inner in _elements(member))
