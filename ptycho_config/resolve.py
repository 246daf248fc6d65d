"""From named layers to one config, with the reason for every value."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import attrs

from ptycho_config.apply import raise_all, try_apply
from ptycho_config.conflicts import broken_pins, conflicts
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.layers import BASE, Layer, sort_layers, split_layers
from ptycho_config.lens import Lens
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves, leaves_of
from ptycho_config.schema.specs import is_config
from ptycho_config.schema.table import Line, table_html, table_text
from ptycho_config.steps import Change, plain_path
from ptycho_config.transform import Transform, refuse

C = TypeVar("C", bound=AnyConfig)
_HEAD = ("option", "value", "unit", "layer", "where")


@attrs.frozen
class Row:
    """One value of an option, the value before it, and the layer that set it."""

    path: str
    old: Any
    value: Any
    unit: str
    doc: str
    layer: str
    where: str

    def __str__(self) -> str:
        value = repr(self.value) if self.old == self.value else f"{self.old!r} -> {self.value!r}"
        return f"{self.path}: {value} [{self.layer}] {self.where}".rstrip()


@attrs.frozen(repr=False)
class Explanation:
    """Why options have their values; prints as text and shows as a table in a notebook.

    rows: of one option, every value that it had, oldest first; of several, the last value of each.
    changes: all changes of these options, oldest first.
    """

    rows: tuple[Row, ...]
    changes: tuple[Change, ...]
    _of_one: str = attrs.field(default="", alias="of_one")

    def __str__(self) -> str:
        if self._of_one:
            return "\n".join(map(str, self.rows)) or f"{self._of_one}: not part of this choice"
        return table_text(_HEAD, self._lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return table_html(_HEAD, self._lines())

    def _lines(self) -> Iterator[Line]:
        for row in self.rows:
            cells = (row.path, repr(row.value), row.unit, row.layer, row.where)
            yield Line(cells, row.doc, marked=row.layer != BASE)


@attrs.frozen(repr=False)
class Resolved(Generic[C]):
    """A config, what it started from, and the layers applied."""

    config: C
    base: C
    layers: tuple[Layer, ...]
    # Follows from the others.
    _trace: tuple[Change, ...] = attrs.field(alias="trace", eq=False)

    def explain(self, place: str | Lens[Any] = "") -> Explanation:
        """Why each value is what it is, of one option or of all below `place`; of an option as
        `training.model.N: 64 -> 128 [command line] argv[3]`. Raises ConfigError for a place that there is not."""
        path = plain_path(place if isinstance(place, str) else place.path)
        known = dict(leaves(type(self.config)))
        leaf = _leaf(path, known)
        if leaf:
            changes = tuple(change for change in self._trace if change.path == leaf)
            held = [value for at, _, value in leaves_of(self.config) if at == leaf]
            rows = [_row(leaf, known[leaf], value, None) for value in held if not changes]
            rows += [_row(leaf, known[leaf], change.new, change) for change in changes]
            return Explanation(tuple(rows), changes, leaf)
        below = f"{path}." if path else ""
        if not any(one.startswith(below) for one in known):
            raise ConfigError([Problem(path, "unknown field", hint=near_miss(path, known))], "explain")
        last = {change.path: change for change in self._trace}
        places = [place for place in leaves_of(self.config) if place[0].startswith(below)]
        rows = [_row(at, spec, value, last.get(at)) for at, spec, value in places]
        return Explanation(tuple(rows), tuple(change for change in self._trace if change.path.startswith(below)))

    def __repr__(self) -> str:
        layers = ", ".join(dict.fromkeys(change.layer or "unnamed layer" for change in self._trace))
        count = f"{len(self._trace)} change{'s' * (len(self._trace) != 1)}"
        return f"<{type(self.config).__name__} after {count} by {layers or 'nobody'}>"

    def _repr_html_(self) -> str:
        return self.explain()._repr_html_()


def _leaf(path: str, known: dict[str, FieldSpec]) -> str:
    """The leaf at `path`, or around it where it names an element; empty where there is none."""
    whole = path
    while path not in known and "." in path:
        path = path.rpartition(".")[0]
    return path if path in known and (path == whole or known[path].has_elements) else ""


def _row(path: str, spec: FieldSpec, value: Any, change: Change | None) -> Row:
    if change is None:
        return Row(path, value, value, spec.unit, spec.doc, BASE, "")
    return Row(path, change.old, value, spec.unit, spec.doc, change.layer or "unnamed layer", change.where)


def resolve(base: C, *layers: Transform | Layer, order: Sequence[str] = ()) -> Resolved[C]:
    """Apply the layers to `base`, later over earlier: in the order given, or in a declared `order` of names.

    Successive steps of one name are one layer, however they are divided over the arguments. Raises ConfigError when
    one layer sets a place to two values, a later layer changes a fixed one (the error names both
    sides), or a layer has no place in `order`.
    """
    if not is_config(type(base)):
        refuse(base, "resolve starts from a config")
    found = sort_layers(layers, order) if order else split_layers(layers)
    config, trace, problems, causes = try_apply(base, [step for one in found for step in one.transform.steps])
    pins = broken_pins(trace)
    broken = {pin.path for pin in pins}
    # What follows from a broken pin is not reported twice.
    rest = [problem for problem in problems if problem.path not in broken]
    if wrong := [*conflicts(trace), *pins, *rest]:
        raise_all(type(base), wrong, causes)
    return Resolved(config, base, found, trace)
