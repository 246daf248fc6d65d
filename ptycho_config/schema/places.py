"""Places in configs: fields, elements of tuples and mappings, whole configs."""

from collections.abc import Callable, Mapping
from functools import cache
from operator import attrgetter
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import attrs

from ptycho_config.schema.checks import Check
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.specs import is_config, members_of, specs
from ptycho_config.schema.values import NAME, acceptor

C = TypeVar("C")


def place(name: str, annotation: Any, check: Check | None = None, **more: Any) -> FieldSpec:
    """The properties of a place called `name` of this `annotation`, with a `check` and `more` as in `FieldSpec`."""
    return FieldSpec(
        name=name,
        annotation=annotation,
        accept=acceptor(annotation, check),
        is_group=is_config(annotation),
        members=MappingProxyType(members_of(annotation)),
        has_elements=bool(_containers(annotation)),
        check=check,
        **more,
    )


@cache
def _containers(annotation: Any) -> tuple[Any, ...]:
    """The types of tuples and mappings among the alternatives of an annotation."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(member for member in members if get_origin(member) in (tuple, Mapping))


@cache
def spec_of(annotation: Any) -> FieldSpec:
    """A place of this annotation that is no field: a whole config, or an element."""
    return place("", annotation, default=attrs.NOTHING)


def element_spec(spec: FieldSpec, name: str) -> FieldSpec | None:
    """The element `name` of the values of the field `spec`, as a field; None where it can have none."""
    for container in _containers(spec.annotation):
        arguments = get_args(container)
        if get_origin(container) is not tuple and NAME.fullmatch(name):
            return spec_of(arguments[1])
        if name.isdecimal() and len(arguments) == 2 and arguments[1] is Ellipsis:
            return spec_of(arguments[0])
        if name.isdecimal() and int(name) < len(arguments):
            return spec_of(arguments[int(name)])
    return None


def holds_configs(spec: FieldSpec) -> bool:
    """Whether the values of a place are tuples or mappings of configs."""
    elements = [one for container in _containers(spec.annotation) for one in get_args(container) if one is not ...]
    return any(is_config(one) or members_of(one) for one in elements)


def below(spec: FieldSpec, name: str) -> tuple[FieldSpec, ...]:
    """The places called `name` in values of the place `spec`: the field of each config that it may hold, or an
    element."""
    classes = (spec.annotation,) if spec.is_group else spec.members.values()
    fields = tuple(specs(cls)[name] for cls in classes if name in specs(cls))
    element = element_spec(spec, name)
    return fields if element is None else (element,)


def required_fields(cls: Any) -> tuple[str, ...]:
    """The fields of a config class that have no default."""
    return _required_fields(cls)


@cache
def _required_fields(cls: type) -> tuple[str, ...]:
    return tuple(name for name, spec in specs(cls).items() if spec.required)


def start_member(cls: Any) -> Any:
    """A config of a class with its defaults, unchecked; a required field holds `attrs.NOTHING` until it is set."""
    made = object.__new__(cls)
    for name, write in _layout(cls)[1].items():
        write(made, specs(cls)[name].default)
    return made


@cache
def _layout(cls: type) -> tuple[Callable[[Any], tuple[Any, ...]], Mapping[str, Callable[[Any, Any], None]]]:
    names = tuple(specs(cls))
    read = attrgetter(*names) if len(names) > 1 else lambda config: tuple(getattr(config, name) for name in names)
    return read, {name: getattr(cls, name).__set__ for name in names}


def rebuild(config: C, values: Mapping[str, Any]) -> C:
    """A copy of `config` with other `values`, which have been accepted before; what relates them is not checked."""
    cls: Any = type(config)
    read, write = _layout(cls)
    made: C = object.__new__(cls)
    for one, value in zip(write.values(), read(config), strict=True):
        one(made, value)
    for name, value in values.items():
        write[name](made, value)
    return made


def check_together(config: Any) -> None:
    """Raise ConfigError with what relates the fields of `config` and does not hold."""
    check = getattr(config, "__attrs_post_init__", None)
    if check is not None:
        check()
