"""Typed paths: `at(fields(TrainingSetup).training.model.N).put(128)`.

For a type checker `fields(C)` is a `C`, so a typo or a value of the wrong type is reported
without a plugin; at run time it is a recorder that checks every name.
"""

import sys
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import get_path, is_config, kind_of, members_of, specs
from ptycho_config.transform import Step, Transform, put_all

C = TypeVar("C")
T = TypeVar("T")


class _Recorder:
    """Records attribute access below a config class and refuses unknown names."""

    __slots__ = ("_annotation", "_path")

    def __init__(self, annotation: Any, path: tuple[str, ...]) -> None:
        self._annotation = annotation
        self._path = path

    def __getattr__(self, name: str) -> "_Recorder":
        if name.startswith("_"):
            raise AttributeError(name)
        known = specs(self._annotation) if is_config(self._annotation) else {}
        if members_of(self._annotation):
            path = ".".join(self._path)
            members = ", ".join(cls.__name__ for cls in members_of(self._annotation).values())
            message = f"is a choice between {members}; name one: narrow(..., {members.partition(',')[0]}).{name}"
            raise ConfigError([Problem(path, message)], "a field path")
        if name not in known:
            path = ".".join((*self._path, name))
            raise ConfigError([Problem(path, "unknown field", hint=near_miss(name, known))], "a field path")
        return _Recorder(known[name].annotation, (*self._path, name))

    def __dir__(self) -> list[str]:
        return list(specs(self._annotation)) if is_config(self._annotation) else []

    def __repr__(self) -> str:
        return f"fields(...).{'.'.join(self._path)}"


def fields(cls: type[C]) -> C:
    """The fields of a config class, to be named in `at(...)`."""
    specs(cls)
    return cast("C", _Recorder(cls, ()))


def narrow(place: object, member: type[C]) -> C:
    """The `member` of the choice at `place`, to name its fields: `at(narrow(c.torch.net, Fno).modes)`.

    Applied to a config whose choice has another member, the change is a ConfigError.
    """
    if not isinstance(place, _Recorder):
        raise TypeError("narrow() takes a choice named through fields(ConfigClass)")
    path: tuple[str, ...] = object.__getattribute__(place, "_path")
    known = members_of(object.__getattribute__(place, "_annotation"))
    if member not in known.values():
        names = ", ".join(cls.__name__ for cls in known.values()) or "nothing: it is no choice"
        message = f"cannot be a {member.__name__}; it can be {names}"
        raise ConfigError([Problem(".".join(path), message)], "a field path")
    return cast("C", _Recorder(member, (*path[:-1], f"{path[-1]}:{kind_of(member)}")))


@attrs.frozen
class Lens(Generic[T]):
    """A place in a config: reads it with `get`, and makes changes of it as values."""

    path: str
    is_group: bool = attrs.field(default=False, eq=False)

    def get(self, config: Any) -> T:
        """The value at this place."""
        return cast("T", get_path(config, self.path))

    def put(self, value: T) -> Transform:
        """Set the value; a whole group sets each of its leaves."""
        where = _caller()
        if self.is_group:
            return put_all(value, self.path, where)
        return Transform((Step(self.path, "put", value, where=where),))

    def over(self, function: Callable[[T], T]) -> Transform:
        """Replace the value by `function(value)`, evaluated when the transform is applied."""
        return Transform((Step(self.path, "over", function, where=_caller()),))


def at(place: T) -> Lens[T]:
    """The lens to a place named through `fields(...)`."""
    path = object.__getattribute__(place, "_path") if isinstance(place, _Recorder) else ()
    if not path:
        raise TypeError("at() takes a field named through fields(ConfigClass), for instance fields(C).model.N")
    return Lens(".".join(path), is_group=is_config(object.__getattribute__(place, "_annotation")))


def _caller() -> str:
    frame = sys._getframe(2)  # noqa: SLF001 - the only cheap way to a caller
    filename = frame.f_code.co_filename
    # A notebook's cells have file names made of hashes, which say nothing to a person.
    name = "cell" if "ipykernel_" in filename else filename.rpartition("/")[2]
    return f"{name}:{frame.f_lineno}"
