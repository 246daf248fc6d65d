"""Steps applied to a config, with the effect of each."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import attrs

from ptycho_config.conflicts import broken_pins
from ptycho_config.draft import Draft, default_at, locate
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.exact import differ
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves_of
from ptycho_config.schema.places import start_member
from ptycho_config.schema.specs import kind_at, specs
from ptycho_config.steps import Change, Step, join, name_of, plain_path

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
    root = Draft(config)
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


def _run(root: Draft, step: Step) -> list[Change]:
    if not step.path:
        return _run_whole(root, step)
    draft, name, spec, leaf = locate(root, step)
    default = default_at(root, step) if step.op == "reset" else None
    before = leaf[0].current(leaf[1]) if leaf else None
    old = draft.current(name)
    if old is attrs.NOTHING:
        if step.op == "over":
            raise ConfigError([step.problem("has no value yet", "put one first")])
        old = None
    new = _new_value(step, spec, old, default)
    draft.replace(name, new)
    if spec.members and new is not None and new is not old:
        draft.below(name).is_new = True
    if leaf:
        holder, leaf_name, path = leaf
        return [Change(path, before, holder.current(leaf_name), step, whole=True)]
    path = plain_path(step.path)
    if not (spec.is_group or spec.members):
        return [Change(path, old, new, step, spec.has_elements)]
    by_kind = bool(spec.members) and isinstance(step.arg, str)
    return [*_leaf_changes(path, spec, old, new, step, by_kind=by_kind)]


def _run_whole(root: Draft, step: Step) -> list[Change]:
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
    if spec.names_member(argument):
        return start_member(spec.members[argument])
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
        held = {at: value for at, _, value in leaves_of(old)} if type(old) is type(new) and old is not None else {}
        for at, inner, value in leaves_of(new) if new is not None else ():
            whole = bool(inner.members) or inner.has_elements
            # A required option is without a value until it is put.
            if value is not attrs.NOTHING:
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
        elif everything or differ(before, after):
            yield Change(here, before, after, step, spec.has_elements)
