"""A change to a config as a value: a sequence of steps that composes, compares and prints.

`t(config)` applies all steps or none; each node of the tree is rebuilt once, at the end, so
constraints between fields see only the final values. `a >> b` is first a, then b; the empty
Transform is the identity.
"""

from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import get_path, is_config, leaves, specs

C = TypeVar("C")


@attrs.frozen
class Step:
    """One change of one path. `where` (file:line) is for people and outside equality."""

    path: str
    op: Literal["put", "over"]
    arg: Any
    layer: str = ""
    fixed: bool = False
    where: str = attrs.field(default="", eq=False)

    def problem(self, message: str, hint: str = "") -> Problem:
        """A problem that names this step's path, layer and place."""
        return Problem(self.path, message, self.layer, self.where, hint)


@attrs.frozen
class Change:
    """What one step did to one leaf: an entry of the trace."""

    path: str
    old: Any
    new: Any
    layer: str
    where: str
    fixed: bool


@attrs.frozen
class Transform:
    """A monoid of steps acting on configs."""

    steps: tuple[Step, ...] = ()

    def __rshift__(self, other: "Transform") -> "Transform":
        return Transform(self.steps + other.steps)

    def __call__(self, config: C) -> C:  # noqa: D102 - the class says what it does
        return apply(config, self.steps)[0]

    def __bool__(self) -> bool:
        return bool(self.steps)


def layer(name: str, transform: Transform, *, fixed: bool = False) -> Transform:
    """Name every step of a transform; a fixed step refuses a later different value."""
    return Transform(
        tuple(attrs.evolve(step, layer=name, fixed=fixed or step.fixed) for step in transform.steps)
    )


def put_all(config: Any, prefix: str = "", where: str = "") -> Transform:
    """A put for every leaf of `config`, as seen below `prefix`."""
    lead = f"{prefix}." if prefix else ""
    return Transform(
        tuple(
            Step(lead + path, "put", get_path(config, path), where=where) for path, _ in leaves(type(config))
        )
    )


def diff(old: C, new: C) -> Transform:
    """The puts that turn `old` into `new`: `diff(a, b)(a) == b`, and `diff(a, a)` is empty."""
    if type(old) is not type(new):
        raise TypeError(f"cannot compare a {type(old).__name__} with a {type(new).__name__}")
    return Transform(tuple(step for step in put_all(new).steps if get_path(old, step.path) != step.arg))


class _Draft:
    """A config under change: pending leaf values and drafts of the groups below."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.values: dict[str, Any] = {}
        self.groups: dict[str, _Draft] = {}

    def descend(self, names: list[str], step: Step) -> tuple["_Draft", str]:
        draft = self
        for depth, name in enumerate(names):
            known = specs(type(draft.node))
            last = depth == len(names) - 1
            if name not in known or (not last and not known[name].is_group):
                raise ConfigError([_unknown(self.node, step)])
            if last:
                return draft, name
            draft = draft.group(name)
        raise ConfigError([_unknown(self.node, step)])

    def group(self, name: str) -> "_Draft":
        if name not in self.groups:
            self.groups[name] = _Draft(self.values.pop(name, getattr(self.node, name)))
        return self.groups[name]

    def current(self, name: str) -> Any:
        if name in self.groups:
            problems: list[Problem] = []
            value = self.groups[name].finish(name, problems)
            if problems:
                raise ConfigError(problems)
            return value
        return self.values.get(name, getattr(self.node, name))

    def replace(self, name: str, value: Any) -> None:
        self.groups.pop(name, None)
        self.values[name] = value

    def finish(self, path: str, problems: list[Problem]) -> Any:
        """The config with all pending changes; adds what is wrong with it to `problems`."""
        values = dict(self.values)
        for name, group in self.groups.items():
            values[name] = group.finish(f"{path}.{name}" if path else name, problems)
        if not values:
            return self.node
        try:
            return attrs.evolve(self.node, **values)
        except ConfigError as error:
            problems.extend(p.under(path) if path else p for p in error.problems)
            return self.node


def _unknown(root: Any, step: Step) -> Problem:
    known = [path for path, _ in leaves(type(root))]
    return step.problem("unknown field", near_miss(step.path, known))


def apply(config: C, steps: Iterable[Step]) -> tuple[C, tuple[Change, ...]]:
    """Run the steps in order: the new config and what each step did. Raises ConfigError with
    every problem found; the config given is never changed."""
    root = _Draft(config)
    problems: list[Problem] = []
    trace: list[Change] = []
    for step in steps:
        try:
            trace.extend(_run(root, step))
        except ConfigError as error:
            problems.extend(error.problems)
    result = root.finish("", problems)
    if problems:
        subject = getattr(type(config), "SCHEMA", type(config).__name__)
        raise ConfigError(blame(problems, trace), subject)
    return result, tuple(trace)


def _run(root: _Draft, step: Step) -> list[Change]:
    draft, name = root.descend(step.path.split("."), step)
    old = draft.current(name)
    spec = specs(type(draft.node))[name]
    try:
        new = spec.accept(step.arg(old) if step.op == "over" else step.arg)
    except ValueError as error:
        raise ConfigError([step.problem(str(error))]) from None
    draft.replace(name, new)
    if not is_config(spec.annotation):
        return [Change(step.path, old, new, step.layer, step.where, step.fixed)]
    return [
        Change(
            f"{step.path}.{put.path}", get_path(old, put.path), put.arg, step.layer, step.where, step.fixed
        )
        for put in diff(old, new).steps
    ]


def blame(problems: Iterable[Problem], trace: Iterable[Change]) -> list[Problem]:
    """Constraint problems know a path but no layer: name the last layer that set that path."""
    last = {change.path: change for change in trace}
    return [
        attrs.evolve(p, layer=last[p.path].layer, where=last[p.path].where)
        if not p.layer and p.path in last
        else p
        for p in problems
    ]
