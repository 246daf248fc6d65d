"""Changes and derivations as plain data, and back: `replay(C, save(x)) == x`, through JSON text too.

Reading runs no code: a step that computes its value names a function, which must be among those that the caller
passes, unless the caller trusts the file to name any.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NoReturn, TypedDict, TypeVar, overload

from ptycho_config.codec import dump, fingerprint, load
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.layers import Layer
from ptycho_config.named_functions import Function, find_function, function_name
from ptycho_config.resolve import Resolved, resolve
from ptycho_config.saved_values import classes_at, value_from_json, value_to_json
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.specs import specs
from ptycho_config.steps import Step
from ptycho_config.transform import Transform, diff
from ptycho_config.versions import version_of

C = TypeVar("C", bound=AnyConfig)
_KEYS = {"path", "op", "value", "layer", "fixed", "where"}
_ReadStep = Callable[[Any, str], Step]


class SavedChange(TypedDict):
    """A transform as plain data."""

    steps: list[dict[str, Any]]


class SavedDerivation(TypedDict):
    """A resolved config as plain data: documents of base and config, and the steps of each layer."""

    base: dict[str, Any]
    layers: list[dict[str, Any]]
    config: dict[str, Any]
    fingerprint: str


@overload
def save(value: Transform) -> SavedChange: ...
@overload
def save(value: Resolved[Any]) -> SavedDerivation: ...
def save(value: Transform | Resolved[Any]) -> SavedChange | SavedDerivation:
    """A change or a derivation, `value`, as JSON values.

    Raises ConfigError with every step that cannot be saved: its function is a lambda, a partial, local or of
    `__main__`, so that no other program finds it by its name, or its value is none of a config.
    """
    if isinstance(value, Transform):
        return {"steps": _save_steps(value, layer=True)}
    if not isinstance(value, Resolved):
        raise TypeError(f"save takes a Transform or a Resolved, not {value!r}; a config is written by dump")
    return {
        "base": dump(value.base),
        "layers": [{"layer": one.name, "steps": _save_steps(one.transform, layer=False)} for one in value.layers],
        "config": dump(value.config),
        "fingerprint": fingerprint(value.config),
    }


def _save_steps(transform: Transform, *, layer: bool) -> list[dict[str, Any]]:
    saved, problems = [], []
    for step in transform.steps:
        try:
            saved.append(_save_step(step, layer=layer))
        except ValueError as error:
            hint = "use a function of a module" if step.op == "over" else ""
            problems.append(step.problem(f"cannot be saved: {error}", hint))
    if problems:
        raise ConfigError(problems, "a change that is to be saved")
    return saved


def _save_step(step: Step, *, layer: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"path": step.path, "op": step.op}
    if step.op == "put":
        data["value"] = value_to_json(step.arg)
    if step.op == "over":
        data["value"] = function_name(step.arg)
    if layer:
        data["layer"] = step.layer
    return {**data, "fixed": step.fixed, "where": step.where}


@overload
def replay(
    cls: type[C], saved: SavedChange, *, functions: Collection[Function] = (), trust: bool = False
) -> Transform: ...
@overload
def replay(
    cls: type[C], saved: SavedDerivation, *, functions: Collection[Function] = (), trust: bool = False
) -> Resolved[C]: ...
def replay(
    cls: type[C], saved: SavedChange | SavedDerivation, *, functions: Collection[Function] = (), trust: bool = False
) -> Transform | Resolved[C]:
    """The change of a config class `cls`, or the derivation of one of its configs, that `save` wrote as `saved`.

    functions: those that the steps may name. trust: import whatever function the file names, which runs the code of
    its module; for one's own files only. Raises ConfigError with every step that cannot be read, and where the steps
    of a derivation do not give the config that it holds.
    """
    specs(cls)
    try:
        allowed = {function_name(one): one for one in functions}
    except ValueError as error:
        _refuse(Problem("functions", str(error)))

    def read(data: Any, layer: str) -> Step:
        return _read_step(cls, data, layer, lambda name: find_function(name, allowed, trust=trust))

    if not isinstance(saved, Mapping):
        _refuse(Problem("", f"must be a table, got {saved!r}"))
    data: Mapping[str, Any] = saved
    if "steps" in data:
        return _read_steps(data["steps"], "", read)
    missing = [Problem(key, "is required") for key in ("base", "layers", "config") if key not in data]
    if missing:
        _refuse(*missing)
    if not isinstance(data["layers"], list):
        _refuse(Problem("layers", f"must be a list, got {data['layers']!r}"))
    made = resolve(load(cls, data["base"]), *(_read_layer(one, read) for one in data["layers"]))
    _compare(made.config, load(cls, data["config"]), data)
    return made


def _refuse(*problems: Problem) -> NoReturn:
    raise ConfigError(problems, "a saved change")


def _read_layer(data: Any, read: _ReadStep) -> Layer:
    if not isinstance(data, Mapping) or not isinstance(data.get("layer"), str):
        _refuse(Problem("layers", f"must be tables with 'layer' and 'steps', got {data!r}"))
    return Layer(data["layer"], _read_steps(data.get("steps"), data["layer"], read))


def _read_steps(data: Any, layer: str, read: _ReadStep) -> Transform:
    if not isinstance(data, list):
        _refuse(Problem("steps", f"must be a list, got {data!r}", layer))
    steps: list[Step] = []
    problems: list[Problem] = []
    for position, one in enumerate(data, 1):
        try:
            steps.append(read(one, layer))
        except ConfigError as error:
            problems += error.problems
        except KeyError as error:
            problems.append(Problem("", f"step {position} has no {error}", layer))
        except (TypeError, ValueError, AttributeError) as error:
            path = str(one.get("path", "")) if isinstance(one, Mapping) else ""
            problems.append(Problem(path, f"step {position} cannot be read: {error}", layer))
    if problems:
        _refuse(*problems)
    return Transform(tuple(steps))


def _read_step(cls: type, data: Any, layer: str, find: Callable[[str], Function]) -> Step:
    unknown = sorted(data.keys() - _KEYS)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}")
    path, op, named = data["path"], data["op"], data.get("layer", layer)
    if not (isinstance(path, str) and isinstance(named, str)):
        raise ValueError(f"path and layer must be text, got {path!r} and {named!r}")  # noqa: TRY004 - a Problem
    match op:
        case "put":
            argument = value_from_json(data["value"], classes_at(cls, path))
        case "over":
            argument = find(data["value"])
        case "reset":
            argument = None
        case _:
            raise ValueError(f"op must be put, over or reset, got {op!r}")
    return Step(path, op, argument, named, fixed=data["fixed"] is True, where=str(data["where"]))


def _compare(made: Any, held: Any, data: Mapping[str, Any]) -> None:
    """Raise ConfigError where the steps `made` another config than the one that the file `held`."""
    hint = "the file was changed, or this version has other rules"
    theirs = {step.path: step.arg for step in diff(made, held).steps}
    problems = [
        Problem(step.path, f"the steps give {step.arg!r}, the file holds {theirs.get(step.path)!r}", hint=hint)
        for step in diff(held, made).steps
    ]
    schema = getattr(type(made), "SCHEMA", None)
    current = version_of(data["config"], schema) == schema
    # The fingerprint of an older schema is another one.
    if not problems and current and data.get("fingerprint") != fingerprint(made):
        problems = [Problem("fingerprint", f"is not that of the config, which is {fingerprint(made)}", hint=hint)]
    if problems:
        _refuse(*problems)
