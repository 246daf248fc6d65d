"""From the flat torch-side classes to changes of a setup, and from a setup to them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import ptycho_config.vocabulary.flat as foreign
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.paths import leaves, leaves_of
from ptycho_config.schema.specs import specs
from ptycho_config.steps import Step
from ptycho_config.transform import Transform
from ptycho_config.vocabulary.flat import FLAT_CLASSES, destinations, paths_of


class FlatConfigs(NamedTuple):
    """One setup in flat terms."""

    data: foreign.DataConfig
    model: foreign.FlatModelConfig
    training: foreign.FlatTrainingConfig
    inference: foreign.FlatInferenceConfig


def _equal(one: Any, other: Any) -> bool:
    """Equality of plain values; an array equals nothing."""
    return type(one) is type(other) and bool(one == other)


def _group_size(flats: tuple[Any, ...]) -> int | None:
    sides = [one.grid_size for one in flats if isinstance(one, foreign.DataConfig)]
    return sides[0][0] * sides[0][1] if sides else None


def from_flat(root: type, *flats: Any, name: str = "flat configs") -> Transform:
    """Every field of flat objects as a put of the layer `name`, choices first; raises ConfigError with
    every field that is set and has no place.

    root: the setup class. A field that holds its default gives way: to another field with the
    same path, and to a choice that has no such option.
    """
    known = dict(leaves(root))
    touched: list[Step] = []
    untouched: list[Step] = []
    problems: list[Problem] = []
    for one in flats:
        for field_name, place in destinations(type(one)).items():
            value, where = getattr(one, field_name), f"as {field_name!r}"
            default = getattr(type(one)(), field_name)
            if value is None and default is not None:
                continue
            is_default = value is None or _equal(value, default)
            fits = place.channels and value == _group_size(flats)
            if place.gone and not is_default and not fits:
                problems.append(Problem(field_name, f"{value!r}: {place.gone}", name))
            try:
                made = [
                    Step(path, "put", place.translation.read(value), name, where=where)
                    for path in paths_of(place, root)
                    if path in known
                ]
            except ValueError as error:
                problems.append(Problem(field_name, str(error), name))
                continue
            (untouched if is_default else touched).extend(made)
    if problems:
        raise ConfigError(problems, name)
    return Transform(tuple(_choices_first(root, touched, untouched)))


def _choices_first(root: type, touched: list[Step], untouched: list[Step]) -> Iterator[Step]:
    """Choices, then the rest; defaults only where they have a place that nothing else takes."""
    members = {path: spec.members for path, spec in leaves(root) if spec.members}
    taken = {step.path for step in touched}
    steps = [*touched, *(step for step in untouched if step.path not in taken)]
    chosen = {step.path: step.arg for step in steps if step.path in members}
    yield from (step for step in steps if step.path in members)
    for step in steps:
        group, _, leaf = step.path.rpartition(".")
        member = members.get(group, {}).get(chosen.get(group, ""))
        homeless = group in members and (member is None or leaf not in specs(member))
        if step.path not in members and not (homeless and step in untouched):
            yield step


def to_flat(setup: Any) -> FlatConfigs:
    """A setup in flat terms. What a flat class has no place for, or cannot hold, shows its default."""
    held = {path: value for path, _, value in leaves_of(setup)}
    run = next(iter(specs(type(setup))))
    side = held[f"{run}.model.gridsize"]
    return FlatConfigs._make(cls(**dict(_flat_values(cls, type(setup), held, side))) for cls in FLAT_CLASSES)


def _flat_values(cls: type, root: type, held: Mapping[str, Any], side: int) -> Iterator[tuple[str, Any]]:
    for field_name, place in destinations(cls).items():
        path = next(iter(paths_of(place, root)), None)
        if place.channels and place.shown:
            yield field_name, side**2
        elif path is not None and held.get(path) is not None:
            yield field_name, place.translation.write(held[path])
