"""Typed paths: `at(fields(TrainingSetup).training.model.N).put(128)`.

For a type checker `fields(C)` is a `C`, so a typo or a value of the wrong type is reported
without a plugin; at run time it is a recorder that checks every name.
"""

import sys
from collections.abc import Callable, Mapping
from functools import cache
from types import FrameType
from typing import Any, Generic, LiteralString, NoReturn, TypeVar, cast, overload

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import get_path
from ptycho_config.schema.places import element_spec, spec_of
from ptycho_config.schema.scalars import EntryPoint
from ptycho_config.schema.specs import is_config, kind_of, specs
from ptycho_config.steps import Step, join
from ptycho_config.transform import Transform, refuse

C = TypeVar("C", bound=AnyConfig)
T = TypeVar("T")
# pyright infers `str` for a choice between texts, unless a bound admits literal texts only.
Text = TypeVar("Text", bound=LiteralString | EntryPoint | float | None)


@attrs.frozen
class Lens(Generic[T]):
    """A place in a config: reads it with `get`, and makes changes of it as values.

    path: of the place, empty for the whole config. spec: the field there, which checks a value where it is put.
    """

    path: str
    spec: FieldSpec | None = attrs.field(default=None, eq=False, repr=False)

    def get(self, config: Any) -> T:
        """The value at this place."""
        return cast("T", get_path(config, self.path))

    def put(self, value: T) -> Transform:
        """Set the value, in the form in which the field keeps it; a whole group sets each of its leaves.

        A value that the field refuses is a ConfigError here. The kind of a member of a choice stands for
        the member with its defaults, or for the present one where it is of this kind.
        """
        where, spec = _caller(), self.spec
        argument: Any = value
        if spec is not None and not spec.names_member(value):
            try:
                argument = spec.accept(value)
            except ConfigError as error:
                raise ConfigError([problem.under(self.path) for problem in error.problems], "a change") from None
            except ValueError as error:
                raise ConfigError([Problem(self.path, str(error), where=where)], "a change") from None
        return Transform((Step(self.path, "put", argument, where=where),))

    def over(self, function: Callable[[T], T]) -> Transform:
        """Replace the value by `function(value)`, evaluated when the transform is applied.

        At `at(fields(C))` the function is of the whole config, and may set one option from others; the trace
        shows each option that it changed.
        """
        if not callable(function):
            refuse(function, "give over() a function")
        return Transform((Step(self.path, "over", function, where=_caller()),))

    def reset(self) -> Transform:
        """Set the default of the schema again."""
        return Transform((Step(self.path, "reset", where=_caller()),))


class _Recorder:
    """A place below a config class: knows the places below it and refuses unknown names.

    Each is made once and kept in the `__dict__` of the one above, so that naming it again costs an attribute.
    """

    _lens: Lens[Any]

    def __init__(self, lens: Lens[Any]) -> None:
        self.__dict__["_lens"] = lens

    def __getattr__(self, name: str) -> "_Recorder":
        if name.startswith("_"):
            raise AttributeError(name)
        lens = self._lens
        assert lens.spec is not None
        known = specs(lens.spec.annotation) if lens.spec.is_group else {}
        if name not in known:
            _refuse_name(lens.path, lens.spec, name, known)
        made = self.__dict__[name] = _Recorder(Lens(join(lens.path, name), known[name]))
        return made

    def __getitem__(self, key: object) -> "_Recorder":
        lens = self._lens
        assert lens.spec is not None
        inner = element_spec(lens.spec, str(key))
        if inner is None:
            raise ConfigError([Problem(lens.path, f"has no element {key!r}")], "a field path")
        return _Recorder(Lens(f"{lens.path}.{key}", inner))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"a field path has no values; change a config with at(...{name}).put({value!r})")

    def __dir__(self) -> list[str]:
        spec = self._lens.spec
        return list(specs(spec.annotation)) if spec is not None and spec.is_group else []

    def __repr__(self) -> str:
        return f"fields(...).{self._lens.path}".rstrip(".")


def _refuse_name(path: str, spec: FieldSpec, name: str, known: Mapping[str, FieldSpec]) -> NoReturn:
    if spec.members:
        members = ", ".join(cls.__name__ for cls in spec.members.values())
        message = f"is a choice between {members}; name one: narrow(..., {members.partition(',')[0]}).{name}"
        raise ConfigError([Problem(path, message)], "a field path")
    raise ConfigError([Problem(join(path, name), "unknown field", hint=near_miss(name, known))], "a field path")


@cache
def _root(cls: type) -> _Recorder:
    return _Recorder(Lens("", spec_of(cls)))


def fields(cls: type[C]) -> C:
    """The fields of a config class, to be named in `at(...)`."""
    if not is_config(cls):
        refuse(cls, "name the fields of a class made with @config")
    place: Any = cls
    return cast("C", _root(place))


def narrow(place: object, member: type[C]) -> C:
    """The `member` of the choice at `place`, to name its fields: `at(narrow(c.torch.net, Fno).modes)`.

    Applied to a config whose choice has another member, the change is a ConfigError.
    """
    if not isinstance(place, _Recorder):
        raise TypeError("narrow() takes a choice named through fields(ConfigClass)")
    lens = place._lens  # noqa: SLF001 - of this module
    known = {} if lens.spec is None else lens.spec.members
    if member not in known.values():
        names = ", ".join(cls.__name__ for cls in known.values()) or "nothing: it is no choice"
        message = f"cannot be a {getattr(member, '__name__', member)}; it can be {names}"
        raise ConfigError([Problem(lens.path, message)], "a field path")
    kept = place.__dict__.setdefault("_members", {})
    if member not in kept:
        chosen: Any = member
        kept[member] = _Recorder(Lens(f"{lens.path}:{kind_of(member)}", spec_of(chosen)))
    return cast("C", kept[member])


@overload
def at(place: Text) -> Lens[Text]: ...
@overload
def at(place: T) -> Lens[T]: ...
def at(place: Any) -> Lens[Any]:
    """The lens to a place named through `fields(...)`; of `fields(C)` itself, to the whole config."""
    if not isinstance(place, _Recorder):
        raise TypeError("at() takes a field named through fields(ConfigClass), for instance fields(C).model.N")
    return place._lens  # noqa: SLF001 - of this module


def _caller() -> str:
    frame = sys._getframe(2)  # noqa: SLF001 - the only cheap way to a caller
    filename = frame.f_code.co_filename
    name = _cell(frame) if "ipykernel_" in filename or filename[0] == "<" else filename.rpartition("/")[2]
    return f"{name}:{frame.f_lineno}"


def _cell(frame: FrameType) -> str:
    """`cell [3]`: the file names of cells are made of hashes, which say nothing to a person; IPython knows the
    number of each. Without it, the file name where it is readable, or `cell`."""
    filename = frame.f_code.co_filename
    shell = frame.f_globals.get("get_ipython")
    label = shell().compile.format_code_name(filename) if shell is not None and shell() is not None else None
    if label is not None:
        return f"cell {label[1].removeprefix('In')}"
    return "cell" if "ipykernel_" in filename or "ipython" in filename else filename
