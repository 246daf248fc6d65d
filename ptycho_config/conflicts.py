"""Contradictions between changes, found by the place that they set, however its path was written."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from ptycho_config.errors import Problem
from ptycho_config.schema.exact import differ
from ptycho_config.steps import Change, element, join

# By place: the change that set it last, and the value.
_Places = dict[str, tuple[Change, Any]]
_GONE = object()


def conflicts(trace: Iterable[Change]) -> list[Problem]:
    """Two values that one layer puts at one place. A more specific put refines a less specific one, as an
    option does the group or the member that was put before it; the other way round it would be lost."""
    problems: list[Problem] = []
    for changes in _layers(trace):
        places: _Places = {}
        for _, group in groupby(changes, key=lambda change: id(change.step)):
            problems += _add(places, list(group))
    return problems


def broken_pins(trace: Iterable[Change]) -> list[Problem]:
    """Values that a layer fixed and a later one ended with another value of; a layer fixes what it ends with."""
    problems = []
    pins: dict[str, _Places] = {}
    for changes in _layers(trace):
        ends = {change.path: change for change in changes}
        for change in ends.values() if pins else ():
            for place, (pin, value) in [*pins.get(change.path, {}).items(), *_pins_below(change, pins, ends)]:
                now = _part(change, place)
                if differ(value, now):
                    problems.append(_broken(place, pin, value, change, now))
        for change in changes:
            if change.step.fixed and not change.implied:
                place, end = join(change.path, change.inside), ends[change.path]
                pins.setdefault(change.path, {}).setdefault(place, (end, _part(end, place)))
    return problems


def _layers(trace: Iterable[Change]) -> Iterator[list[Change]]:
    return (list(changes) for _, changes in groupby(trace, key=lambda change: change.step.layer))


def _add(places: _Places, changes: list[Change]) -> list[Problem]:
    """Add the changes of one step of a layer to its places so far; the problems are contradictions between them."""
    step, problems = changes[0].step, []
    if step.op == "over":
        return []
    here = {join(change.path, change.inside): change for change in changes}
    for place, change in here.items():
        value = _part(change, place)
        if (first := places.get(place)) is None or not _covers(change, first[0]):
            places[place] = change, value
        elif differ(first[1], value):
            problems.append(_conflict(place, *first, change, value))
    wholes = [change for change in changes if change.whole]
    for place, (first_change, value) in list(places.items()) if wholes else ():
        above = [change for change in wholes if place.startswith(f"{change.path}.") and place not in here]
        if above and _covers(change := above[-1], first_change):
            now = _part(change, place)
            if differ(value, now):
                problems.append(_conflict(place, first_change, value, change, now))
    return problems


def _covers(change: Change, first: Change) -> bool:
    """Whether `change` is at most as specific as `first` was."""
    return change.step.path.count(".") <= first.step.path.count(".")


def _pins_below(change: Change, pins: dict[str, _Places], ends: Mapping[str, Change]) -> Iterator[Any]:
    """The pins of options that a change of a choice may have removed."""
    if change.whole and not isinstance(change.new, (tuple, Mapping)):
        below = (path for path in pins if path.startswith(f"{change.path}.") and path not in ends)
        for path in below:
            yield from pins[path].items()


def _part(change: Change, place: str) -> Any:
    """The value that `change` gives to a place at or below its leaf."""
    if place == change.path:
        return change.new
    if isinstance(change.new, (tuple, Mapping)):
        return element(change.new, place[len(change.path) + 1 :])
    return _GONE


def _text(value: Any) -> str:
    return repr(str(value) if isinstance(value, Path) else value)


def _conflict(place: str, first: Change, value: Any, change: Change, now: Any) -> Problem:
    lost = f"lost by {change.path}={change.new!r}" if now is _GONE else f"to {_text(now)}"
    message = f"set to {_text(value)} {first.where} and {lost} in the same layer"
    return Problem(place, message, change.layer, change.where, "keep one of the two")


def _broken(place: str, pin: Change, value: Any, change: Change, now: Any) -> Problem:
    source = f"'{pin.layer}'" + (f" ({pin.where})" if pin.where else "")
    other = f"has no such option, with {change.path}={change.new!r}" if now is _GONE else f"asks for {_text(now)}"
    return Problem(place, f"{source} fixes it to {_text(value)}, '{change.layer}' {other}", change.layer, change.where)
