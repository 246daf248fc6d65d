"""A change to a config as a value: a sequence of steps that composes, compares and prints.

`t(config)` applies all steps or none; each node of the tree is rebuilt once, at the end, so
constraints between fields see only the final values. `a >> b` is a, then b; the empty
Transform is the identity.
"""

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn, TypeVar

import attrs

from ptycho_config.apply import apply
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.exact import differ
from ptycho_config.schema.specs import specs
from ptycho_config.schema.table import Line, table_html
from ptycho_config.steps import Step, join

C = TypeVar("C", bound=AnyConfig)


class Transform:
    """A monoid of steps acting on configs. Immutable; equal and hashed by its steps."""

    # The steps, or two transforms whose steps are joined when they are first read, so that `>>` takes no time.
    __slots__ = ("_content",)
    _content: "tuple[Step, ...] | list[Transform]"

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        _hold(self, tuple(steps))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps, first to last."""
        content = self._content
        if isinstance(content, list):
            content = _flatten(self)
            _hold(self, content)
        return content

    def __rshift__(self, other: "Transform") -> "Transform":
        if type(other) is not Transform:
            refuse(other, "compose a Transform with >> and another Transform")
        if not self:
            return other
        if not other:
            return self
        made = object.__new__(Transform)
        _hold(made, [self, other])
        return made

    def __rrshift__(self, other: object) -> NoReturn:
        refuse(other, "compose a Transform with >> and another Transform")

    def __call__(self, config: C) -> C:
        """The config with all changes; raises ConfigError with every problem."""
        return apply(config, self.steps)

    def __bool__(self) -> bool:
        return self._content != ()

    def __eq__(self, other: object) -> bool:
        return self.steps == other.steps if type(other) is Transform else NotImplemented

    def __hash__(self) -> int:
        return hash(self.steps)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise attrs.exceptions.FrozenInstanceError

    def __delattr__(self, name: str) -> NoReturn:
        raise attrs.exceptions.FrozenInstanceError

    def __reduce__(self) -> tuple[Any, ...]:
        return Transform, (self.steps,)

    def __repr__(self) -> str:
        return f"<Transform {summary(self.steps)}>"

    def _repr_html_(self) -> str:
        return steps_html(self.steps)


_hold = Transform.__dict__["_content"].__set__


def _flatten(transform: Transform) -> tuple[Step, ...]:
    """The steps of nested pairs; without recursion, as there may be thousands."""
    found: list[Step] = []
    left: list[Transform] = [transform]
    while left:
        content = left.pop()._content  # noqa: SLF001 - of this class
        if isinstance(content, list):
            left += content[::-1]
        else:
            found += content
    return tuple(found)


def summary(steps: tuple[Step, ...], most: int = 3) -> str:
    """The first `most` of the `steps` in a line, and how many there are."""
    shown = ", ".join(map(str, steps[:most]))
    more = f", ... {len(steps)} steps" if len(steps) > most else ""
    return f"{shown}{more}" or "without steps"


def steps_html(steps: tuple[Step, ...], most: int = 200) -> str:
    """A table of the first `most` of the `steps`, for notebooks."""
    lines = [Line((step.path, step.effect, step.layer, step.origin)) for step in steps[:most]]
    more = [Line((f"... {len(steps)} steps", "", "", ""))] if len(steps) > most else []
    return table_html(("option", "change", "layer", "where"), lines + more)


def refuse(found: object, use: str) -> NoReturn:
    """Raise a TypeError about the argument `found`: only this `use` is possible."""
    shown = repr(found)
    shown = shown if len(shown) < 60 else f"{shown[:57]}..."
    raise TypeError(f"{use}, not {shown} ({type(found).__name__})")


def layer(name: str, transform: Transform, *, fixed: bool = False) -> Transform:
    """Give every step of `transform` the layer `name`; another name that a step had goes to its `where`. A later
    layer with another value than a fixed step is a conflict."""
    if not isinstance(name, str):
        refuse(name, "name a layer by a string")
    if type(transform) is not Transform:
        refuse(transform, "make a layer of a Transform")
    return Transform(_take_name(step, name, fixed=fixed or step.fixed) for step in transform.steps)


def _take_name(step: Step, name: str, *, fixed: bool) -> Step:
    where = step.where if step.layer in {"", name} else f"{step.layer} {step.where}".strip()
    if (step.layer, step.fixed) == (name, fixed):
        return step
    return Step(step.path, step.op, step.arg, name, fixed, where)


def with_where(transform: Transform, where: str) -> Transform:
    """The steps of `transform` with another origin `where`, as people read it."""
    return Transform(attrs.evolve(step, where=where) for step in transform.steps)


def put_all(config: Any) -> Transform:
    """A put for every leaf of `config`; a choice is put as a whole."""
    return Transform(_puts(None, config, ""))


def diff(old: C, new: C) -> Transform:
    """The puts that turn `old` into `new`: `diff(a, b)(a) == b`, and `diff(a, a)` is empty."""
    if type(old) is not type(new):
        raise TypeError(f"cannot compare a {type(old).__name__} with a {type(new).__name__}")
    return Transform(_puts(old, new, ""))


def product(*axes: Iterable[Transform]) -> tuple[Transform, ...]:
    """The sweep: one transform of each axis, composed left to right, in every combination."""
    return tuple(Transform(step for part in parts for step in part.steps) for parts in itertools.product(*axes))


def _puts(old: Any, new: Any, prefix: str) -> Iterator[Step]:
    """Puts of the leaves of `new` that differ from `old`; of all of them where old is None."""
    for name, spec in specs(type(new)).items():
        path = join(prefix, name)
        before, after = None if old is None else getattr(old, name), getattr(new, name)
        same_member = before is not None and type(before) is type(after)
        if spec.is_group or (spec.members and same_member):
            yield from _puts(before, after, path)
        elif old is None or differ(before, after):
            yield Step(path, "put", after)
