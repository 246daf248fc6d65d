"""The fields of a config class as its annotations declare them, now or once later classes are there."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.annotations import has_text, read_annotation
from ptycho_config.schema.exact import exact, is_ambiguous
from ptycho_config.schema.fields import META, FieldSpec
from ptycho_config.schema.places import place
from ptycho_config.schema.scalars import Coerce
from ptycho_config.schema.specs import SPECS, specs, specs_of
from ptycho_config.schema.values import acceptor
from ptycho_config.versions import SCHEMA_KEY


class Declaration:
    """The fields of one class; names: those of the scope around it, which its annotations may use."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._cls: Any = None
        self._late = False

    def convert(self, cls: type, attributes: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
        """The attributes with their types where these are known, with converters and accepted defaults."""
        return [self._convert(cls, attribute) for attribute in attributes]

    def finish(self, cls: type) -> None:
        """Give the class `cls`, which has been made, its fields; where annotations name later classes, when they are
        first read."""
        self._cls = cls
        self._names = {**self._names, cls.__name__: cls} if self._late else {}
        setattr(cls, SPECS, self._read_specs if self._late else self._read_specs())

    def _convert(self, cls: type, attribute: "attrs.Attribute[Any]") -> "attrs.Attribute[Any]":
        name, default = attribute.name, attribute.default
        if META not in attribute.metadata:
            raise TypeError(f"declare '{name}' with field(doc=...)")
        if name.startswith("_"):
            raise TypeError(f"'{name}' cannot be an option: names of options start with a letter")
        if name == SCHEMA_KEY and hasattr(cls, "SCHEMA"):
            raise TypeError(f"'{name}' cannot be an option of a class with SCHEMA, whose documents state it there")
        if attribute.inherited:  # type: ignore[attr-defined] # missing in the stubs
            self._late |= has_text(attribute.type)
            return attribute
        try:
            annotation = read_annotation(attribute.type, cls.__module__, self._names)
        except NameError:
            self._late = True
            return attribute.evolve(converter=_converter(name, partial(self._accept_late, name)))
        converter = _converter(name, acceptor(annotation, attribute.metadata[META]["check"]))
        if default is not attrs.NOTHING:
            default = converter(default)
        key = exact if is_ambiguous(annotation) else None
        return attribute.evolve(type=annotation, converter=converter, default=default, eq_key=key)

    def _accept_late(self, name: str, value: object) -> Any:
        return specs(self._cls)[name].accept(value)

    def _read_specs(self) -> Mapping[str, FieldSpec]:
        """The fields by name. Raises TypeError where an annotation names no class."""
        made = {attribute.name: self._read_spec(attribute) for attribute in attrs.fields(self._cls)}
        for attribute in attrs.fields(self._cls):
            # As attrs.resolve_types does.
            object.__setattr__(attribute, "type", made[attribute.name].annotation)
        setattr(self._cls, SPECS, MappingProxyType(made))
        # They may hold much of a function's work.
        self._names = {}
        return made

    def _read_spec(self, attribute: "attrs.Attribute[Any]") -> FieldSpec:
        name, cls = attribute.name, self._cls
        if attribute.inherited:  # type: ignore[attr-defined] # as above
            return next(known[name] for base in cls.__mro__[1:] if name in (known := specs_of(base) or {}))
        try:
            annotation = read_annotation(attribute.type, cls.__module__, self._names)
        except NameError as error:
            raise TypeError(f"{cls.__name__}.{name} is declared as {attribute.type!r}, but {error}") from None
        made = place(name, annotation, default=attribute.default, **attribute.metadata[META])
        return made if made.required else attrs.evolve(made, default=made.accept(made.default))


def _converter(name: str, accept: Coerce) -> Coerce:
    def convert(value: object) -> Any:
        try:
            return accept(value)
        except ConfigError as error:
            raise ConfigError(problem.under(name) for problem in error.problems) from None
        except ValueError as error:
            raise ConfigError([Problem(name, str(error))]) from None

    return convert
