"""A change to a config as a value: a sequence of steps that composes, compares and prints.

`t(config)` applies all steps or none; each node of the tree is rebuilt once, at the end, so
constraints between fields see only the final values. `a >> b` is a, then b; the empty
Transform is the identity.
"""

import itertools
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import FieldSpec, get_path, kind_of, leaves, leaves_of, specs

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


class Change(NamedTuple):
    """The effect of one step on one leaf: an entry of the trace. Cheap: there are many."""

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

    def __call__(self, config: C) -> C:  # noqa: D102 - the class describes it
        return apply(config, self.steps)[0]

    def __bool__(self) -> bool:
        return bool(self.steps)


def layer(name: str, transform: Transform, *, fixed: bool = False) -> Transform:
    """Give every step of `transform` the layer `name`; a fixed step refuses a later different value."""
    return Transform(tuple(attrs.evolve(step, layer=name, fixed=fixed or step.fixed) for step in transform.steps))


def with_where(transform: Transform, where: str) -> Transform:
    """The steps of `transform` with another origin `where`, as people read it."""
    return Transform(tuple(attrs.evolve(step, where=where) for step in transform.steps))


def put_all(config: Any, prefix: str = "", where: str = "") -> Transform:
    """A put, from `where`, for every leaf of `config`, as seen below `prefix`; a choice is put as a whole."""
    return Transform(tuple(_puts(None, config, prefix, where)))


def diff(old: C, new: C) -> Transform:
    """The puts that turn `old` into `new`: `diff(a, b)(a) == b`, and `diff(a, a)` is empty."""
    if type(old) is not type(new):
        raise TypeError(f"cannot compare a {type(old).__name__} with a {type(new).__name__}")
    return Transform(tuple(_puts(old, new, "", "")))


def product(*axes: Iterable[Transform]) -> tuple[Transform, ...]:
    """The sweep: one transform of each axis, composed left to right, in every combination."""
    return tuple(Transform(tuple(step for part in parts for step in part.steps)) for parts in itertools.product(*axes))


def _puts(old: Any, new: Any, prefix: str, where: str) -> Iterator[Step]:
    """Puts of the leaves of `new` that differ from `old`; of all of them where old is None."""
    for name, spec in specs(type(new)).items():
        path = f"{prefix}.{name}" if prefix else name
        before, after = None if old is None else getattr(old, name), getattr(new, name)
        if spec.is_group or (spec.members and old is not None and type(before) is type(after)):
            yield from _puts(before, after, path, where)
        elif old is None or before != after:
            yield Step(path, "put", after, where=where)


class _Draft:
    """A config under change: pending leaf values and drafts of the groups below."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self.values: dict[str, Any] = {}
        self.groups: dict[str, _Draft] = {}

    def descend(self, step: Step) -> tuple["_Draft", str]:
        """The draft of the node that holds the step's field, and the field's name."""
        draft = self
        tokens, last = _tokens(step.path)
        for name, kind in tokens:
            spec = specs(type(draft.node)).get(name)
            if spec is None or not (spec.is_group or spec.members):
                raise ConfigError([_unknown(self.node, draft.node, step)])
            draft = draft.group(name)
            if kind and kind != (found := kind_of(type(draft.node))):
                problem = step.problem(f"{name} is {found!r} here, the change is for {kind!r}")
                raise ConfigError([attrs.evolve(problem, path=plain_path(step.path))])
        if last not in specs(type(draft.node)):
            raise ConfigError([_unknown(self.node, draft.node, step)])
        return draft, last

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
        before, values = len(problems), dict(self.values)
        for name, group in self.groups.items():
            values[name] = group.finish(f"{path}.{name}" if path else name, problems)
        # What relates fields is not judged while one of them is wrong.
        if not values or len(problems) > before:
            return self.node
        try:
            return attrs.evolve(self.node, **values)
        except ConfigError as error:
            problems.extend(p.under(path) if path else p for p in error.problems)
            return self.node


def _unknown(root: Any, node: Any, step: Step) -> Problem:
    leaf = step.path.rpartition(".")[2]
    known = [path for path, _ in leaves(type(root))]
    if plain_path(step.path) in known:
        return step.problem(f"{kind_of(type(node))!r} has no {leaf!r}; it belongs to another member of the choice")
    return step.problem("unknown field", near_miss(step.path, known))


@lru_cache(maxsize=4096)
def _tokens(path: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """The groups on the way to a field, each with the kind that is demanded or "", and the field."""
    *groups, last = path.split(".")
    parts = [group.partition(":") for group in groups]
    return tuple((name, kind) for name, _, kind in parts), last


def plain_path(path: str) -> str:
    """A path without the kinds that `narrow` adds: `torch.net:fno.modes` is `torch.net.modes`."""
    if ":" not in path:
        return path
    return ".".join(token.partition(":")[0] for token in path.split("."))


def apply(config: C, steps: Iterable[Step]) -> tuple[C, tuple[Change, ...]]:
    """Run the steps in order: the new config and what each step did. Raises ConfigError with
    every problem found; the config given is never changed."""
    result, trace, problems = try_apply(config, steps)
    if problems:
        raise ConfigError(problems, getattr(type(config), "SCHEMA", type(config).__name__))
    return result, trace


def try_apply(config: C, steps: Iterable[Step]) -> tuple[C, tuple[Change, ...], list[Problem]]:
    """As `apply`: `config` after `steps`, and the problems; where there are any, the config is not to be used."""
    root = _Draft(config)
    problems: list[Problem] = []
    trace: list[Change] = []
    for step in steps:
        try:
            trace.extend(_run(root, step))
        except ConfigError as error:
            problems.extend(error.problems)
    result = root.finish("", problems)
    return result, tuple(trace), name_layers(problems, trace)


def _run(root: _Draft, step: Step) -> list[Change]:
    draft, name = root.descend(step)
    old = draft.current(name)
    spec = specs(type(draft.node))[name]
    argument = step.arg(old) if step.op == "over" else step.arg
    if spec.members and argument == kind_of(type(old)):
        argument = old
    try:
        new = spec.accept(argument)
    except ValueError as error:
        raise ConfigError([step.problem(str(error))]) from None
    draft.replace(name, new)
    path = plain_path(step.path)
    if not (spec.is_group or spec.members):
        return [Change(path, old, new, step.layer, step.where, step.fixed)]
    by_kind = bool(spec.members) and isinstance(step.arg, str)
    return [
        Change(at, before, after, step.layer, step.where, step.fixed and (at == path or not by_kind))
        for at, before, after in _leaf_changes(path, spec, old, new)
    ]


def _leaf_changes(path: str, spec: FieldSpec, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """`(path, old, new)` of the leaves of a group that differ, or of a choice and all leaves of
    its new member; those it did not have before were None."""
    if spec.is_group:
        for put in diff(old, new).steps:
            before = get_path(old, put.path)
            yield f"{path}.{put.path}", before, put.arg
    else:
        yield path, kind_of(type(old)), kind_of(type(new))
        before = {at: value for at, _, value in leaves_of(old)} if type(old) is type(new) else {}
        for at, _, value in leaves_of(new):
            yield f"{path}.{at}", before.get(at), value


def name_layers(problems: Iterable[Problem], trace: Iterable[Change]) -> list[Problem]:
    """Constraint problems know a path but no layer: name the last layer in `trace` that set it."""
    last = {change.path: change for change in trace}
    return [
        attrs.evolve(p, layer=last[p.path].layer, where=last[p.path].where) if not p.layer and p.path in last else p
        for p in problems
    ]
