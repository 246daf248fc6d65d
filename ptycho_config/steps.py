"""Steps and changes as plain data, and the paths that they name.

A path is `group.name`; `choice:kind.name` demands a member of a choice, `name.0` is an element of a tuple,
and the empty path is the whole config.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import attrs

from ptycho_config.errors import Problem
from ptycho_config.schema.exact import exact


@attrs.frozen
class Step:
    """One change of one path; equal by the type and value of `arg`.

    op: "put" sets `arg`, "over" the result of the function `arg`, "reset" the default. layer: part of the value,
    because it decides precedence and conflicts. fixed: a later layer with another value is a conflict. where
    (file:line) is for people and outside equality.
    """

    path: str
    op: Literal["put", "over", "reset"]
    arg: Any = attrs.field(default=None, eq=exact)
    layer: str = ""
    fixed: bool = False
    where: str = attrs.field(default="", eq=False)

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem that names this step's path, layer and place."""
        return Problem(self.path, message, self.layer, self.where, hint)

    @property
    def effect(self) -> str:
        """The value that is put, or what computes it."""
        return {"put": repr(self.arg), "reset": "the default"}.get(self.op) or name_of(self.arg)

    @property
    def origin(self) -> str:
        """The place in the source, after the function where one computes the value."""
        cause = {"put": "", "reset": "reset"}.get(self.op, name_of(self.arg))
        return " at ".join(part for part in (cause, self.where) if part)

    def __str__(self) -> str:
        return f"{self.path or 'whole config'} = {self.effect}"


class Change(NamedTuple):
    """The effect of one step on one leaf: an entry of the trace. Cheap: there are many.

    whole: the leaf has parts of its own: it is a choice (old and new are kinds), or a tuple. implied: the value
    follows from the member of a choice that was named, so nobody has set it.
    """

    path: str
    old: Any
    new: Any
    step: Step
    whole: bool = False
    implied: bool = False

    @property
    def layer(self) -> str:
        """The layer of the step."""
        return self.step.layer

    @property
    def where(self) -> str:
        """The origin of the step."""
        return self.step.origin

    @property
    def inside(self) -> str:
        """The path below the leaf that the step names, for an element of a tuple; mostly empty."""
        path = self.step.path
        if len(path) <= len(self.path):
            return ""
        return plain_path(path)[len(self.path) + 1 :]


def name_of(function: Any) -> str:
    """The name of a function as people know it."""
    return str(getattr(function, "__qualname__", None) or repr(function)).rpartition("<locals>.")[2]


@lru_cache(maxsize=4096)
def tokens(path: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The groups on the way to a field, each with the kind that is demanded or "", and the field."""
    *groups, last = path.split(".")
    parts = [group.partition(":") for group in groups]
    return tuple((name, kind) for name, _, kind in parts), last


def plain_path(path: str) -> str:
    """A path without the kinds that `narrow` adds: `torch.net:fno.modes` is `torch.net.modes`."""
    if ":" not in path:
        return path
    return ".".join(token.partition(":")[0] for token in path.split("."))


def join(prefix: str, path: str) -> str:
    """`prefix.path`, where either may be empty."""
    return f"{prefix}.{path}" if prefix and path else prefix or path


def element(value: Any, inside: str) -> Any:
    """The part of the tuple, mapping or config `value` at the path `inside`; None where there is none."""
    for token in inside.split(".") if inside else ():
        if isinstance(value, tuple):
            value = value[int(token)] if int(token) < len(value) else None
        elif isinstance(value, Mapping):
            value = value.get(token)
        else:
            value = getattr(value, token, None)
    return value
