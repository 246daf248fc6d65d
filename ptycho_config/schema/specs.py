"""Config classes as they are seen from outside: their fields, and the members of choices."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from ptycho_config.schema.fields import FieldSpec

SPECS = "__config_specs__"


def is_config(cls: object) -> bool:
    """Whether `cls` is a class made by `@config`."""
    return isinstance(cls, type) and SPECS in cls.__dict__


def kind_of(cls: type) -> str:
    """The kind of a member of a choice: its `KIND`, or its name in lower case."""
    return str(getattr(cls, "KIND", cls.__name__.lower()))


def kind_at(value: Any) -> str | None:
    """The kind of a member of a choice; None for an option that is off."""
    return None if value is None else kind_of(type(value))


def members_of(annotation: Any) -> dict[str, type]:
    """The members of a choice between config classes by kind, without the null of one that can be off; empty for
    any other annotation. Raises TypeError where two have the same kind."""
    arguments = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    members = [member for member in arguments if member is not NoneType]
    if not all(map(is_config, members)):
        return {}
    found = {kind_of(member): member for member in members}
    if len(found) < len(members):
        listed = ", ".join(f"{member.__module__}.{member.__qualname__}" for member in members)
        raise TypeError(f"two of {listed} are called alike; give one a name of its own: KIND: ClassVar[str] = ...")
    return found


def specs(cls: type) -> Mapping[str, FieldSpec]:
    """The fields of a config class by name, in the order of declaration."""
    found = specs_of(cls)
    if found is None:
        raise TypeError(f"{cls!r} is not a config class; make it one with @config")
    return found


def specs_of(cls: type) -> Mapping[str, FieldSpec] | None:
    """As `specs`; None for what is no config class."""
    found: Any = getattr(cls, SPECS, None)
    # A class whose annotations name later ones is read when its fields are first read.
    known: Mapping[str, FieldSpec] | None = found() if callable(found) else found
    return known
