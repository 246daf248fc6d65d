"""`@config`: frozen classes whose fields check themselves and explain themselves."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeVar, dataclass_transform, overload

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.declaration import Declaration
from ptycho_config.schema.fields import field
from ptycho_config.schema.paths import leaves_of
from ptycho_config.schema.specs import specs
from ptycho_config.schema.table import Line, table_html

C = TypeVar("C")
Constraint = Callable[[Any], Iterable[Problem]]
_CONSTRAINTS = "__config_constraints__"
_POST_INIT = "__config_post_init__"


class AnyConfig(Protocol):
    """An instance of a class made with `@config`, as type checkers see it: they give the class this attribute."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


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

    def decorate(cls: Any, names: Mapping[str, Any]) -> Any:
        _check_both(cls, constraints)
        cls._repr_html_ = _config_html
        declared = Declaration(names)
        built = attrs.frozen(kw_only=True, field_transformer=declared.convert)(cls)
        declared.finish(built)
        _report_all(built)
        return built

    if cls is not None:
        return decorate(cls, sys._getframe(1).f_locals)  # noqa: SLF001 - the names that annotations may use
    return lambda cls: decorate(cls, sys._getframe(1).f_locals)  # noqa: SLF001 - as above


def _check_both(cls: Any, constraints: tuple[Constraint, ...]) -> None:
    """Let a config check itself after its construction: by the method of its class, and by all constraints, those of
    the classes that it derives from included."""
    setattr(cls, _CONSTRAINTS, constraints)
    every = [one for base in reversed(cls.__mro__) for one in base.__dict__.get(_CONSTRAINTS, ())]
    own = cls.__dict__.get("__attrs_post_init__") or getattr(cls, _POST_INIT, None)
    if not (every or own):
        return

    def check(self: Any) -> None:
        try:
            if own is not None:
                own(self)
        except ConfigError:
            raise
        except ValueError as error:
            raise ConfigError([Problem("", str(error))], type(self).__name__) from error
        problems = [problem for constraint in every for problem in constraint(self)]
        if problems:
            raise ConfigError(problems, type(self).__name__)

    setattr(cls, _POST_INIT, own)
    cls.__attrs_post_init__ = check


def _report_all(cls: Any) -> None:
    """Let the constructor of `cls` report every problem of its arguments at once, as reading a document does."""
    make = cls.__init__

    @wraps(make)
    def construct(self: Any, *args: Any, **values: Any) -> None:
        try:
            make(self, *args, **values)
        except (ConfigError, TypeError):
            problems = [] if args else list(_wrong_arguments(cls, values))
            if not problems:
                raise
            raise ConfigError(problems, cls.__name__) from None

    cls.__init__ = construct


def _wrong_arguments(cls: type, values: Mapping[str, Any]) -> Iterator[Problem]:
    known = specs(cls)
    yield from (Problem(name, "unknown field", hint=near_miss(name, known)) for name in values if name not in known)
    for name, spec in known.items():
        if name in values:
            try:
                spec.accept(values[name])
            except ConfigError as error:
                yield from (problem.under(name) for problem in error.problems)
            except ValueError as error:
                yield Problem(name, str(error))
        elif spec.required:
            yield Problem(name, "is required")


def _config_html(config: Any) -> str:
    lines = (Line((path, repr(value), spec.unit), spec.doc) for path, spec, value in leaves_of(config))
    return table_html(("option", "value", "unit"), lines)
