"""`@config`: frozen classes whose fields check themselves and explain themselves."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import attrgetter
from types import MappingProxyType, UnionType
from typing import Any, ClassVar, Protocol, TypeVar, Union, dataclass_transform, get_args, get_origin, overload

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.checks import Check
from ptycho_config.schema.fields import META, FieldSpec, field
from ptycho_config.schema.paths import leaves_of
from ptycho_config.schema.scalars import Coerce, coercer, shorten
from ptycho_config.schema.specs import SPECS, is_config, members_of, specs
from ptycho_config.schema.table import Line, table_html

C = TypeVar("C")
Constraint = Callable[[Any], Iterable[Problem]]


class AnyConfig(Protocol):
    """An instance of a class made with `@config`, as type checkers see it: they give the class this attribute."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


def _acceptor(annotation: Any, check: Check | None) -> Coerce:
    coerce = _coercer(annotation)
    if check is None:
        return coerce

    def accept(value: object) -> Any:
        coerced = coerce(value)
        reason = None if coerced is None else check(coerced)
        if reason:
            raise ValueError(f"{reason}, got {shorten(value)}")
        return coerced

    return accept


def _coercer(annotation: Any) -> Coerce:
    members = members_of(annotation)
    if not (members or is_config(annotation)):
        return coercer(annotation)
    classes = frozenset(members.values()) or {annotation}
    expected = f"one of {', '.join(map(repr, members))}" if members else f"a {annotation.__name__}"

    def coerce(value: object) -> Any:
        if type(value) in classes:
            return value
        if isinstance(value, str) and value in members:
            return members[value]()
        raise ValueError(f"must be {expected}, got {shorten(value)}")

    return coerce


def _converter(name: str, accept: Coerce) -> Coerce:
    def convert(value: object) -> Any:
        try:
            return accept(value)
        except ValueError as error:
            raise ConfigError([Problem(name, str(error))]) from None

    return convert


def _convert_fields(_: type, attributes: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    built = []
    for attribute in attributes:
        if META not in attribute.metadata:
            raise TypeError(f"declare '{attribute.name}' with field(doc=...)")
        converter = _converter(attribute.name, _acceptor(attribute.type, attribute.metadata[META]["check"]))
        default = attribute.default if attribute.default is attrs.NOTHING else converter(attribute.default)
        built.append(attribute.evolve(converter=converter, default=default))
    return built


@overload
def config(cls: type[C], /) -> type[C]: ...
@overload
def config(*, constraints: tuple[Constraint, ...] = ()) -> Callable[[type[C]], type[C]]: ...
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def config(cls: Any = None, /, *, constraints: tuple[Constraint, ...] = ()) -> Any:
    """Make `cls` a frozen, keyword-only config class of scalars, paths, tuples and other configs.

    constraints relate several fields: each is a function from the config to its problems.
    They run once the whole node is built, so the order of changes never makes a false error.
    """

    def check_together(self: Any) -> None:
        problems = [problem for constraint in constraints for problem in constraint(self)]
        if problems:
            raise ConfigError(problems, type(self).__name__)

    def decorate(cls: Any) -> Any:
        if constraints:
            cls.__attrs_post_init__ = check_together
        cls._repr_html_ = _config_html
        built = attrs.frozen(kw_only=True, field_transformer=_convert_fields)(cls)
        setattr(built, SPECS, MappingProxyType({spec.name: spec for spec in map(_spec, attrs.fields(built))}))
        return built

    return decorate if cls is None else decorate(cls)


def _spec(attribute: "attrs.Attribute[Any]") -> FieldSpec:
    return _place(attribute.name, attribute.type, default=attribute.default, **attribute.metadata[META])


def _place(name: str, annotation: Any, check: Check | None = None, **more: Any) -> FieldSpec:
    return FieldSpec(
        name=name,
        annotation=annotation,
        accept=_acceptor(annotation, check),
        is_group=is_config(annotation),
        members=MappingProxyType(members_of(annotation)),
        has_elements=bool(_sequences(annotation)),
        check=check,
        **more,
    )


@cache
def _sequences(annotation: Any) -> tuple[Any, ...]:
    """The tuple types among the alternatives of an annotation."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return tuple(member for member in members if get_origin(member) is tuple)


@cache
def spec_of(annotation: Any) -> FieldSpec:
    """A place of this annotation that is no field: a whole config, or an element."""
    return _place("", annotation, default=attrs.NOTHING)


def element_spec(spec: FieldSpec, name: str) -> FieldSpec | None:
    """The element `name` of the values of the field `spec`, as a field; None where it can have none."""
    if not name.isdecimal():
        return None
    for arguments in map(get_args, _sequences(spec.annotation)):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return spec_of(arguments[0])
        if int(name) < len(arguments):
            return spec_of(arguments[int(name)])
    return None


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


def _config_html(config: Any) -> str:
    lines = (Line((path, repr(value), spec.unit), spec.doc) for path, spec, value in leaves_of(config))
    return table_html(("option", "value", "unit"), lines)
