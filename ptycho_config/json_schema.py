"""The schema of a config class as JSON Schema (draft 2020-12), for editors and other programs."""

from datetime import date, datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from ptycho_config.codec import KIND_KEY, write_value
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.scalars import EntryPoint
from ptycho_config.schema.specs import is_config, kind_of, members_of, specs
from ptycho_config.versions import SCHEMA_KEY

_TYPES: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    EntryPoint: {"type": "string"},
    Path: {"type": "string"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    NoneType: {"type": "null"},
}


def json_schema(cls: type) -> dict[str, Any]:
    """Types, choices, defaults and meanings of every option below `cls`."""
    name = getattr(cls, "SCHEMA", cls.__name__)
    properties = {SCHEMA_KEY: {"const": name}} if hasattr(cls, "SCHEMA") else {}
    body = _table(cls)
    body["properties"] = {**properties, **body["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **body}


def _table(cls: type) -> dict[str, Any]:
    known = specs(cls)
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _property(spec) for name, spec in known.items()},
        "required": [name for name, spec in known.items() if spec.required],
    }


def _property(spec: FieldSpec) -> dict[str, Any]:
    unit = f" ({spec.unit})" if spec.unit else ""
    found = {"description": spec.doc + unit, **_type(spec.annotation)}
    if not spec.is_group and spec.default is not attrs.NOTHING:
        found["default"] = write_value(spec, spec.default)
    return found


def _type(annotation: Any) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if is_config(annotation):
        return _table(annotation)
    if members_of(annotation):
        return {"oneOf": [_member(cls) for cls in members_of(annotation).values()]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, UnionType):
        return {"anyOf": [_type(argument) for argument in arguments]}
    if origin is tuple:
        return _tuple(arguments)
    named = annotation if isinstance(annotation, type) and issubclass(annotation, Enum) else ()
    return {"enum": [member.value for member in named]} if named else _TYPES[annotation]


def _tuple(arguments: tuple[Any, ...]) -> dict[str, Any]:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": _type(arguments[0])}
    items = [_type(argument) for argument in arguments]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _member(cls: type) -> dict[str, Any]:
    body = _table(cls)
    body["properties"] = {KIND_KEY: {"const": kind_of(cls)}, **body["properties"]}
    body["required"] = [KIND_KEY, *body["required"]]
    return body
