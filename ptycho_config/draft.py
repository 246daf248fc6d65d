"""Applying steps: a config under change, each node of which is rebuilt once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import attrs

from ptycho_config.conflicts import broken_pins
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.base import (
    AnyConfig,
    FieldSpec,
    check_together,
    element_spec,
    kind_at,
    leaves,
    leaves_of,
    rebuild,
    specs,
    specs_of,
)
from ptycho_config.steps import Change, Step, join, name_of, plain_path, tokens

C = TypeVar("C", bound=AnyConfig)


class Outcome(NamedTuple):
    """A config after some steps, the effect of each, what is wrong, and the exceptions behind it; where
    anything is wrong, the config is not to be used."""

    config: Any
    trace: tuple[Change, ...]
    problems: list[Problem]
    causes: list[Exception]


def apply(config: C, steps: Iterable[Step]) -> C:
    """The `config` after the `steps`, in their order, itself unchanged. Raises ConfigError with every problem, among
    them each value that one layer fixes and a later one changes."""
    result, trace, problems, causes = try_apply(config, steps)
    if any(change.step.fixed for change in trace):
        problems = [*broken_pins(trace), *problems]
    if problems:
        raise_all(type(config), problems, causes)
    return result  # type: ignore[no-any-return] # of the class of config


def raise_all(cls: type, problems: Iterable[Problem], causes: list[Exception]) -> None:
    """Raise one ConfigError about a `cls` with the `problems`, from the exceptions (`causes`) behind some of them."""
    error = ConfigError(problems, getattr(cls, "SCHEMA", cls.__name__))
    if not causes:
        raise error
    raise error from (causes[0] if len(causes) == 1 else ExceptionGroup("functions that failed", causes))


def try_apply(config: Any, steps: Iterable[Step]) -> Outcome:
    """The `config` after the `steps`, as far as they are right."""
    specs(type(config))
    root = _Draft(config)
    trace: list[Change] = []
    problems: list[Problem] = []
    causes: list[Exception] = []
    for step in steps:
        try:
            trace += _run(root, step)
        except ConfigError as error:
            problems.extend(error.problems)
            if isinstance(error.__cause__, Exception):
                causes.append(error.__cause__)
    result = root.finish("", problems)
    return Outcome(result, tuple(trace), name_layers(problems, trace), causes)


def name_layers(problems: Iterable[Problem], trace: Iterable[Change]) -> list[Problem]:
    """Constraint `problems` know a path but no layer: name the last layer in `trace` that set it."""
    last = {change.path: change for change in trace} if problems else {}
    return [problem if problem.layer else _name_layer(problem, last) for problem in problems]


def _name_layer(problem: Problem, last: Mapping[str, Change]) -> Problem:
    path = problem.path
    while path and path not in last:
        path = path.rpartition(".")[0]
    return attrs.evolve(problem, layer=last[path].layer, where=last[path].where) if path else problem


class _Draft:
    """A config, tuple or mapping under change: values to be, and drafts of the nodes below."""

    __slots__ = ("groups", "node", "spec", "specs", "values")

    def __init__(self, node: Any, spec: FieldSpec | None = None) -> None:
        self.node = node
        self.spec = spec
        self.specs = specs_of(type(node))
        self.values: dict[str, Any] = {}
        self.groups: dict[str, _Draft] = {}

    def find(self, name: str) -> FieldSpec | None:
        """The field of this name, or the element of this position or key; None if there is none."""
        if self.specs is not None:
            return self.specs.get(name)
        inner = None if self.spec is None else element_spec(self.spec, name)
        here = isinstance(self.node, tuple) and name.isdecimal() and int(name) < len(self.node)
        return inner if here else None

    def below(self, name: str) -> "_Draft":
        if name not in self.groups:
            self.groups[name] = _Draft(self._value(name), self.find(name))
            self.values.pop(name, None)
        return self.groups[name]

    def _value(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if self.specs is not None:
            return getattr(self.node, name)
        return self.node[int(name)] if isinstance(self.node, tuple) else self.node.get(name)

    def current(self, name: str) -> Any:
        """The value now; its constraints hold only at the end."""
        return self.groups[name].build() if name in self.groups else self._value(name)

    def replace(self, name: str, value: Any) -> None:
        self.groups.pop(name, None)
        self.values[name] = value

    def become(self, node: Any) -> None:
        """Be another node altogether."""
        self.__init__(node, self.spec)  # type: ignore[misc]

    def build(self) -> Any:
        """The node with all changes, unchecked."""
        return self._with({name: group.build() for name, group in self.groups.items()})

    def finish(self, path: str, problems: list[Problem]) -> Any:
        """The node with all changes; adds what is wrong with it to `problems`."""
        before, below = len(problems), {}
        for name, group in self.groups.items():
            below[name] = group.finish(join(path, name), problems)
        # What relates fields is not judged while one of them is wrong.
        if not (self.values or below) or len(problems) > before:
            return self.node
        node = self._with(below)
        try:
            if self.specs is not None:
                check_together(node)
            elif self.spec is not None:
                node = self.spec.accept(node)
        except ConfigError as error:
            problems.extend(p.under(path) if path else p for p in error.problems)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
        return node

    def _with(self, below: dict[str, Any]) -> Any:
        changed = {**self.values, **below} if below else self.values
        if not changed:
            return self.node
        if self.specs is not None:
            return rebuild(self.node, changed)
        if isinstance(self.node, tuple):
            return tuple(changed.get(str(position), value) for position, value in enumerate(self.node))
        return type(self.node)({**self.node, **changed})


def _run(root: _Draft, step: Step) -> list[Change]:
    if not step.path:
        return _run_whole(root, step)
    draft, name, spec, leaf = _locate(root, step)
    default = _default(root, step) if step.op == "reset" else None
    before = leaf[0].current(leaf[1]) if leaf else None
    old = draft.current(name)
    new = _new_value(step, spec, old, default)
    draft.replace(name, new)
    if leaf:
        holder, leaf_name, path = leaf
        return [Change(path, before, holder.current(leaf_name), step, whole=True)]
    path = plain_path(step.path)
    if not (spec.is_group or spec.members):
        return [Change(path, old, new, step, spec.has_elements)]
    by_kind = bool(spec.members) and isinstance(step.arg, str)
    return [*_leaf_changes(path, spec, old, new, step, by_kind=by_kind)]


def _run_whole(root: _Draft, step: Step) -> list[Change]:
    """A step at the empty path: the whole config is put, computed or reset."""
    old, cls = root.build(), type(root.node)
    default = _build_default(cls, step) if step.op == "reset" else None
    new = _call(step, old) if step.op == "over" else default if step.op == "reset" else step.arg
    if type(new) is not cls:
        raise ConfigError([step.problem(f"{name_of(step.arg)} must return a {cls.__name__}, got {new!r}")])
    root.become(new)
    # As a change, so that the end judges it, even where nothing else is changed.
    root.values.update({name: getattr(new, name) for name in specs(cls)})
    return [*_differences("", old, new, step, everything=step.op != "over")]


def _new_value(step: Step, spec: FieldSpec, old: Any, default: Any) -> Any:
    match step.op:
        case "put":
            argument = step.arg
        case "over":
            argument = _call(step, old)
        case _:
            argument = default
    # Naming the present member of a choice keeps its options.
    if spec.members and isinstance(argument, str) and argument == kind_at(old):
        return old
    try:
        return spec.accept(argument)
    except ConfigError as error:
        raise ConfigError([_under_step(problem, step) for problem in error.problems]) from None
    except ValueError as error:
        raise ConfigError([step.problem(str(error))]) from None


def _call(step: Step, old: Any) -> Any:
    """The result of the function of an over step; what it raises is a problem with the step's path and layer."""
    try:
        return step.arg(old)
    except ConfigError as error:
        raise ConfigError([_under_step(problem, step) for problem in error.problems]) from error
    except Exception as error:
        message = f"{name_of(step.arg)} raised {type(error).__name__}: {error}"
        raise ConfigError([step.problem(message)]) from error


def _under_step(problem: Problem, step: Step) -> Problem:
    path = join(plain_path(step.path), problem.path)
    return attrs.evolve(problem, path=path, layer=step.layer, where=step.origin)


def _locate(root: _Draft, step: Step) -> tuple[_Draft, str, FieldSpec, tuple[_Draft, str, str] | None]:
    """The draft that holds the place of the step, its name and field; for an element, also the draft, name
    and path of the leaf around it."""
    draft, leaf = root, None
    groups, last = tokens(step.path)
    for position, (name, kind) in enumerate(groups):
        spec = draft.find(name)
        if spec is None:
            raise ConfigError([_unknown(root.node, draft, name, step)])
        if leaf is None and not (spec.is_group or spec.members):
            leaf = draft, name, ".".join(group for group, _ in groups[: position + 1])
        draft = draft.below(name)
        if spec.members and draft.node is None:
            hint = f"put {' or '.join(map(repr, spec.members))} there first"
            raise ConfigError([step.problem(f"{name} is off (null), so it has no options", hint)])
        if kind and kind != (found := kind_at(draft.node)):
            problem = step.problem(f"{name} is {found!r} here, the change is for {kind!r}")
            raise ConfigError([attrs.evolve(problem, path=plain_path(step.path))])
    spec = draft.find(last)
    if spec is None:
        raise ConfigError([_unknown(root.node, draft, last, step)])
    return draft, last, spec, leaf


def _unknown(root: Any, draft: _Draft, name: str, step: Step) -> Problem:
    if draft.specs is None:
        size = f"{len(draft.node)} elements" if isinstance(draft.node, tuple) else f"no element {name!r}"
        return step.problem(f"there is no {name!r} in {draft.node!r}, which has {size}")
    known = [path for path, _ in leaves(type(root))]
    if plain_path(step.path) in known:
        return step.problem(f"{kind_at(draft.node)!r} has no {name!r}; it belongs to another member of the choice")
    return step.problem("unknown field", near_miss(step.path, known))


def _default(root: _Draft, step: Step) -> Any:
    """The default at the path of a step: of the outermost config above it that states one."""
    draft, default = root, None
    groups, last = tokens(step.path)
    for depth, name in enumerate((*(name for name, _ in groups), last)):
        if draft.specs is None or (spec := draft.specs.get(name)) is None:
            raise ConfigError([step.problem("an element has no default", "reset the whole field")])
        stated = type(default) is type(draft.node)
        default = getattr(default, name) if stated else spec.default
        if depth < len(groups):
            draft = draft.below(name)
    if default is attrs.NOTHING:
        raise ConfigError([step.problem("has no default to reset to", "put a value")])
    return default


def _build_default(cls: type[C], step: Step) -> C:
    try:
        return cls()
    except ConfigError as error:
        raise ConfigError([_under_step(problem, step) for problem in error.problems]) from None


def _leaf_changes(path: str, spec: FieldSpec, old: Any, new: Any, step: Step, *, by_kind: bool) -> Iterator[Change]:
    """The changes of a group or choice: of every leaf where it is put, of those that differ where a function
    computes it."""
    if spec.members and (step.op != "over" or type(old) is not type(new)):
        yield Change(path, kind_at(old), kind_at(new), step, whole=True)
        held = {at: value for at, _, value in leaves_of(old)} if type(old) is type(new) else {}
        for at, inner, value in leaves_of(new) if new is not None else ():
            whole = bool(inner.members) or inner.has_elements
            yield Change(f"{path}.{at}", held.get(at), value, step, whole, by_kind)
    elif new is not None:
        yield from _differences(path, old, new, step, everything=step.op != "over")


def _differences(path: str, old: Any, new: Any, step: Step, *, everything: bool) -> Iterator[Change]:
    for name, spec in specs(type(new)).items():
        here, before, after = join(path, name), getattr(old, name), getattr(new, name)
        if spec.is_group:
            yield from _differences(here, before, after, step, everything=everything)
        elif spec.members:
            yield from _leaf_changes(here, spec, before, after, step, by_kind=False)
        elif everything or before != after:
            yield Change(here, before, after, step, spec.has_elements)
