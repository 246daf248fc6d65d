"""From named layers to one config, with the reason for every value."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import attrs

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.layers import BASE, Layer, sort_layers, split_layers
from ptycho_config.lens import Lens
from ptycho_config.schema.base import leaves, leaves_of
from ptycho_config.schema.table import Row, table_html
from ptycho_config.transform import Change, Step, Transform, plain_path, try_apply

C = TypeVar("C")


@attrs.frozen(repr=False)
class Resolved(Generic[C]):
    """A config, what it started from, the layers applied, and what each did."""

    config: C
    base: C
    layers: tuple[Layer, ...]
    trace: tuple[Change, ...]

    def history(self, place: str | Lens[Any]) -> tuple[Change, ...]:
        """Every change of one path, oldest first."""
        path = plain_path(place if isinstance(place, str) else place.path)
        known = [known for known, _ in leaves(type(self.config))]
        if path not in known:
            raise ConfigError([Problem(path, "unknown field", hint=near_miss(path, known))], "explain")
        return tuple(change for change in self.trace if change.path == path)

    def explain(self, place: str | Lens[Any]) -> str:
        """Why a value is what it is: `training.model.N: 64 -> 128 [command line] argv[3]`."""
        changes = self.history(place)
        path = plain_path(place if isinstance(place, str) else place.path)
        if not changes:
            held = {at: value for at, _, value in leaves_of(self.config)}
            return f"{path}: {held[path]!r} [{BASE}]" if path in held else f"{path}: not part of this choice"
        return "\n".join(f"{path}: {_line(change)}".rstrip() for change in changes)

    def table(self) -> tuple[Row, ...]:
        """Every leaf with its value and the layer that set it last."""
        last = {change.path: change for change in self.trace}
        rows = []
        for path, spec, value in leaves_of(self.config):
            change = last.get(path)
            layer, where = (change.layer, change.where) if change else (BASE, "")
            rows.append(Row(path, value, spec.unit, spec.doc, layer, where))
        return tuple(rows)

    def __repr__(self) -> str:
        layers = ", ".join(dict.fromkeys(change.layer or "unnamed layer" for change in self.trace))
        return f"<{type(self.config).__name__} after {len(self.trace)} changes by {layers or 'nobody'}>"

    def _repr_html_(self) -> str:
        return table_html(self.table(), BASE)


def _line(change: Change) -> str:
    value = f"{change.new!r}" if change.old == change.new else f"{change.old!r} -> {change.new!r}"
    return f"{value} [{change.layer or 'unnamed layer'}] {change.where}"


def resolve(base: C, *layers: Transform | Layer, order: Sequence[str] = ()) -> Resolved[C]:
    """Apply the layers to `base`, later over earlier: in the order given, or in a declared `order` of names.

    A layer is what carries one name, however it is divided over the arguments. Raises ConfigError when
    one layer sets a path to two values, a later layer changes a fixed one (the error names both
    sides), or a layer has no place in `order`.
    """
    found = sort_layers(layers, order) if order else split_layers(layers)
    config, trace, problems = try_apply(base, [step for one in found for step in one.transform.steps])
    pins = _broken_pins(trace)
    broken = {pin.path for pin in pins}
    # What follows from a broken pin is not reported twice.
    rest = [problem for problem in problems if problem.path not in broken]
    wrong = [*_conflicts(found), *pins, *rest]
    if wrong:
        raise ConfigError(wrong, getattr(type(base), "SCHEMA", type(base).__name__))
    return Resolved(config, base, found, trace)


def _conflicts(layers: tuple[Layer, ...]) -> list[Problem]:
    problems = []
    for one in layers:
        seen: dict[str, Step] = {}
        for step in one.transform.steps:
            first = seen.setdefault(step.path, step)
            if step.op == "put" and first.op == "put" and step.arg != first.arg:
                message = f"set to {first.arg!r} {first.where} and to {step.arg!r} in the same layer"
                problems.append(step.problem(message, "keep one of the two"))
    return problems


def _broken_pins(trace: tuple[Change, ...]) -> list[Problem]:
    problems = []
    pinned: dict[str, Change] = {}
    for change in trace:
        pin = pinned.get(change.path)
        if pin is not None and change.new != pin.new:
            source = f"'{pin.layer}'" + (f" ({pin.where})" if pin.where else "")
            message = f"{source} fixes it to {pin.new!r}, '{change.layer}' asks for {change.new!r}"
            problems.append(Problem(change.path, message, change.layer, change.where))
        elif change.fixed:
            pinned[change.path] = change
    return problems
