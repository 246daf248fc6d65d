"""`@config` and `field`: frozen classes whose fields check themselves and explain themselves."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from operator import attrgetter
from types import MappingProxyType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypedDict,
    TypeVar,
    Union,
    Unpack,
    dataclass_transform,
    get_args,
    get_origin,
    overload,
)

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.checks import Check
from ptycho_config.schema.scalars import Coerce, coercer, type_name
from ptycho_config.schema.table import Line, table_html

C = TypeVar("C")
T = TypeVar("T")
Constraint = Callable[[Any], Iterable[Problem]]
Inference = Literal["fixed", "suggested", "ignored", "own"]

_META = "ptycho_config"
_SPECS = "__config_specs__"


class AnyConfig(Protocol):
    """An instance of a class made with `@config`, as type checkers see it: they give the class this attribute."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@attrs.frozen
class FieldSpec:
    """The properties of one field: the one source for checks, help, reference and reports.

    is_group: the field holds another config. members: for a choice between configs, its members
    by kind; empty for every other field. has_elements: values are tuples, whose elements are places
    too. The rest as in `field`.
    """

    name: str
    annotation: Any
    accept: Coerce
    is_group: bool
    members: Mapping[str, type]
    has_elements: bool
    default: Any
    unit: str = ""
    doc: str = ""
    identity: bool = True
    renamed: Mapping[str, str] = MappingProxyType({})
    inference: Inference | None = None
    resumable: bool | None = None
    unread: str = ""
    check: Check | None = None

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is attrs.NOTHING

    @property
    def type_name(self) -> str:
        """The annotation as written in a config file's reference."""
        return type_name(self.annotation)


class Properties(TypedDict, total=False):
    """The properties of a field besides its meaning and its default, as described in `field`."""

    unit: str
    check: Check | None
    identity: bool
    renamed: Mapping[str, str]
    inference: Inference | None
    resumable: bool | None
    unread: str


@overload
def field(*, doc: str, default: T, **properties: Unpack[Properties]) -> T: ...
@overload
def field(*, doc: str, **properties: Unpack[Properties]) -> Any: ...
def field(
    *,
    doc: str,
    default: Any = attrs.NOTHING,
    unit: str = "",
    check: Check | None = None,
    identity: bool = True,
    renamed: Mapping[str, str] = MappingProxyType({}),
    inference: Inference | None = None,
    resumable: bool | None = None,
    unread: str = "",
) -> Any:
    """Declare a field: its meaning `doc`, unit, default and check.

    check returns the reason a value is refused, or None. identity=False keeps the field out
    of the fingerprint: it says where results go, not what they are. renamed: former values and what
    they are called now; files and commands may still use them. inference: what the value of a training
    means for an inference: "fixed" (anything else is a conflict), "suggested" (counts unless the run
    says otherwise), "ignored" (an option of trainings, refused for an inference), "own" (does not
    count). resumable: whether the training that resumes a checkpoint may have another value. A group
    or a choice states these two for all below it that does not state its own. unread: the sentence why
    nothing reads the option, so that setting it is refused.
    """
    meta = {"doc": doc, "unit": unit, "check": check, "identity": identity, "renamed": renamed}
    meta |= {"inference": inference, "resumable": resumable, "unread": unread}
    return attrs.field(default=default, metadata={_META: meta})


def option(default: T, doc: str, **properties: Unpack[Properties]) -> T:
    """A field with `default`, meaning `doc`, and `properties` as in `field`: most of the schema."""
    return field(default=default, doc=doc, **properties)


suggested = partial(option, inference="suggested")


def is_config(cls: object) -> bool:
    """Whether `cls` is a class made by `@config`."""
    return isinstance(cls, type) and _SPECS in cls.__dict__


def kind_of(cls: type) -> str:
    """The kind of a member of a choice: its `KIND`, or its name in lower case."""
    return str(getattr(cls, "KIND", cls.__name__.lower()))


def kind_at(value: Any) -> str | None:
    """The kind of a member of a choice; None for an option that is off."""
    return None if value is None else kind_of(type(value))


def members_of(annotation: Any) -> dict[str, type]:
    """The members of a choice between config classes by kind; empty for any other annotation."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()
    return {kind_of(member): member for member in members} if all(map(is_config, members)) else {}


def _acceptor(annotation: Any, check: Check | None) -> Coerce:
    coerce = _coercer(annotation)
    if check is None:
        return coerce

    def accept(value: object) -> Any:
        coerced = coerce(value)
        reason = None if coerced is None else check(coerced)
        if reason:
            raise ValueError(f"{reason}, got {value!r}")
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
        raise ValueError(f"must be {expected}, got {value!r}")

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
        if _META not in attribute.metadata:
            raise TypeError(f"declare '{attribute.name}' with field(doc=...)")
        converter = _converter(attribute.name, _acceptor(attribute.type, attribute.metadata[_META]["check"]))
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
        setattr(built, _SPECS, MappingProxyType({spec.name: spec for spec in map(_spec, attrs.fields(built))}))
        return built

    return decorate if cls is None else decorate(cls)


def _spec(attribute: "attrs.Attribute[Any]") -> FieldSpec:
    return _place(attribute.name, attribute.type, default=attribute.default, **attribute.metadata[_META])


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


def specs(cls: type) -> Mapping[str, FieldSpec]:
    """The fields of a config class by name, in the order of declaration."""
    found: Mapping[str, FieldSpec] | None = getattr(cls, _SPECS, None)
    if found is None:
        raise TypeError(f"{cls!r} is not a config class; make it one with @config")
    return found


def specs_of(cls: type) -> Mapping[str, FieldSpec] | None:
    """As `specs`; None for what is no config class."""
    return getattr(cls, _SPECS, None)


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


def leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    """Every leaf that a `cls` can have as `(dotted path, spec)`, depth first: a choice counts as a
    leaf, followed by the leaves of all its members. The specs hold what they inherit."""
    return _all_leaves(cls)


@cache
def _all_leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    return tuple(_leaves(cls, (), None))


def _leaves(cls: type, prefix: tuple[str, ...], above: FieldSpec | None) -> Iterator[tuple[str, FieldSpec]]:
    for name, own in specs(cls).items():
        here, spec = (*prefix, name), _inherit(own, above)
        if not spec.is_group:
            yield ".".join(here), spec
        for member in (spec.annotation,) if spec.is_group else spec.members.values():
            yield from _leaves(member, here, spec)


def _inherit(spec: FieldSpec, above: FieldSpec | None) -> FieldSpec:
    if above is None:
        return spec
    resumable = above.resumable if spec.resumable is None else spec.resumable
    return attrs.evolve(spec, inference=spec.inference or above.inference, resumable=resumable)


def leaves_of(config: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldSpec, Any]]:
    """Every leaf of `config` below `prefix` as `(dotted path, spec, value)`; the value of a choice is
    its kind, followed by the leaves of its member."""
    for name, spec in specs(type(config)).items():
        here, value = (*prefix, name), getattr(config, name)
        nested = spec.is_group or bool(spec.members)
        if not spec.is_group:
            yield ".".join(here), spec, kind_of(type(value)) if nested else value
        if nested:
            yield from leaves_of(value, here)


def _config_html(config: Any) -> str:
    lines = (Line((path, repr(value), spec.unit), spec.doc) for path, spec, value in leaves_of(config))
    return table_html(("option", "value", "unit"), lines)


def get_path(config: Any, path: str) -> Any:
    """The value of `config` at a dotted `path`; `name:kind` demands that a choice has this member."""
    for token in path.split(".") if path else ():
        name, _, kind = token.partition(":")
        config = config[int(name)] if isinstance(config, tuple) else getattr(config, name)
        if kind and kind_at(config) != kind:
            raise ConfigError([Problem(path, f"is {kind_at(config)!r} here, not {kind!r}")])
    return config
