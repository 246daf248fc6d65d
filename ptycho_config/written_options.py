"""Options as they are written, under whatever name, as steps of one layer."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import attrs

from ptycho_config.codec import read_value, tag_of
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.schema.exact import differ
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves
from ptycho_config.schema.places import below
from ptycho_config.schema.scalars import shorten
from ptycho_config.short_names import Alias, vocabulary_of
from ptycho_config.steps import Step, plain_path


@attrs.frozen
class Written:
    """A value at a path or another name. text: the value as it was written without quotes, which may be meant as a
    string; None where it cannot be."""

    path: str
    value: Any
    where: str
    text: str | None = None


@attrs.frozen
class KnownOptions:
    """The options below a config class. specs: by path; several where members of a choice have an option of one
    name. groups: the paths of groups and choices. tags: the paths that name the member of a choice."""

    specs: dict[str, tuple[FieldSpec, ...]]
    groups: frozenset[str]
    tags: dict[str, str]

    def at(self, path: str) -> tuple[FieldSpec, ...]:
        """The options at a path without kinds, or the elements of options; nothing where there is none."""
        if path in self.specs:
            return self.specs[path]
        above, dot, name = path.rpartition(".")
        return tuple(found for spec in (self.at(above) if dot else ()) for found in below(spec, name))

    def rank(self, step: Step) -> tuple[int, int]:
        """The order of steps, so that it does not matter in which options are written: choices, outer ones first,
        then options, then elements."""
        path = plain_path(step.path)
        if path not in self.specs:
            return 2, path.count(".")
        return (0, path.count(".")) if self.specs[path][0].members else (1, 0)


@cache
def known_options(cls: type) -> KnownOptions:
    """The options below `cls`."""
    specs: dict[str, tuple[FieldSpec, ...]] = {}
    for path, spec in leaves(cls):
        specs[path] = (*specs.get(path, ()), spec)
    groups = {path[:end] for path in specs for end, letter in enumerate(path) if letter == "."}
    tags = {f"{path}.{tag_of(found[0].members)}": path for path, found in specs.items() if found[0].members}
    return KnownOptions(specs, frozenset(groups | set(tags.values())), tags)


@attrs.frozen
class ReadOptions:
    """The steps of a layer, and what is wrong: names that are no option, and values that options refuse, which
    have a step all the same."""

    layer: str
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]
    refusals: tuple[Problem, ...]


def read_options(cls: type, written: Iterable[Written | Problem], layer: str) -> ReadOptions:
    """Steps of the `layer` with full paths, from options `written` for a config class `cls`."""
    known = known_options(cls)
    steps: list[Step] = []
    problems: list[Problem] = []
    refusals: list[Problem] = []
    for one in written:
        if isinstance(one, Problem):
            problems.append(attrs.evolve(one, layer=layer))
            continue
        alias, step, wrong = _option(cls, one, layer)
        problems += wrong
        for path in () if wrong else alias.paths:
            put, refused = _put(_alter(step, path=path), one, alias, known)
            if put is None:
                problems += refused
            else:
                steps.append(put)
                refusals += refused
    steps.sort(key=known.rank)
    return ReadOptions(layer, tuple(steps), tuple(problems), tuple(refusals))


def _option(cls: type, one: Written, layer: str) -> tuple[Alias, Step, list[Problem]]:
    """The option that is meant, its step with the name that was written, and why there is none."""
    known = known_options(cls)
    path = known.tags.get(plain_path(one.path), one.path)
    step = Step(path, "put", one.value, layer, where=one.where)
    moved = vocabulary_of(cls).moved.get(path)
    # A complete document holds both, the moved one with its default.
    if moved is not None and not any(one.value in (spec.default, str(spec.default)) for spec in known.at(path)):
        return Alias((moved,)), attrs.evolve(step, where=f"{one.where} as {path!r}".strip()), []
    if known.at(plain_path(path)):
        return Alias((path,)), step, list(_strange_members(step, known))
    alias = vocabulary_of(cls).aliases.get(path)
    if alias is None or alias.gone:
        return Alias(()), step, [step.problem(alias.gone) if alias else _unknown(cls, step, known)]
    return alias, attrs.evolve(step, where=f"{step.where} as {path!r}".strip()), []


def _put(step: Step, one: Written, alias: Alias, known: KnownOptions) -> tuple[Step | None, list[Problem]]:
    """The step with the first reading of the value that is accepted, or with the value and the reason why it is not;
    no step where another vocabulary has no such value."""
    for reading in _readings(one):
        put, refused = _read(step, reading, alias, known)
        if not refused:
            return put, []
    return _read(step, one.value, alias, known)


def _readings(one: Written) -> Iterator[Any]:
    if one.text == "None":
        yield None
    yield one.value
    if one.text is not None and one.text != one.value:
        yield one.text


def _read(step: Step, reading: Any, alias: Alias, known: KnownOptions) -> tuple[Step | None, list[Problem]]:
    try:
        value = alias.translation.read(reading)
    except ValueError as error:
        return None, [step.problem(str(error))]
    where, path = step.where, plain_path(step.path)
    specs, is_element = known.at(path), path not in known.specs
    for spec in specs:
        if isinstance(value, str) and value in spec.renamed:
            where, value = f"{where} as {value!r}".strip(), spec.renamed[value]
    step = _alter(step, arg=value, where=where)
    failed: list[tuple[Step | None, list[Problem]]] = []
    for spec in specs:
        try:
            put = _alter(step, arg=read_value(spec, value, is_element=is_element))
            if not spec.names_member(value):
                spec.accept(put.arg)
        except ConfigError as error:
            # The tables within are no configs, so they cannot be put.
            inner = [attrs.evolve(step.problem(one.message, one.hint), path=one.path) for one in error.problems]
            failed.append((None, [one.under(step.path) for one in inner]))
        except ValueError as error:
            failed.append((step, [step.problem(str(error))]))
        else:
            return put, []
    return failed[0]


def _alter(step: Step, **changes: Any) -> Step:
    """As `attrs.evolve`, which takes more time than all else here: mostly nothing changes."""
    if all(getattr(step, name) is value for name, value in changes.items()):
        return step
    return attrs.evolve(step, **changes)


def contradictions_in(steps: Iterable[Step]) -> list[Problem]:
    """The options that are given two values, under whatever names."""
    seen: dict[str, Step] = {}
    problems = []
    for step in steps:
        first = seen.setdefault(step.path, step)
        if differ(first.arg, step.arg):
            message = f"set to {shorten(first.arg)} {first.where} and to {shorten(step.arg)} in the same layer"
            problems.append(step.problem(message, "keep one of the two"))
    return problems


def _strange_members(step: Step, known: KnownOptions) -> Iterator[Problem]:
    """The kinds that a path demands, as `torch.net:fno.modes` does, and no member has: a problem each."""
    if ":" not in step.path:
        return
    groups = step.path.split(".")
    for position, group in enumerate(groups):
        choice, colon, kind = plain_path(".".join(groups[: position + 1])), *group.partition(":")[1:]
        members = {name for spec in known.at(choice) for name in spec.members} if colon else set()
        if colon and kind not in members:
            yield step.problem(f"{choice} has no member {kind!r}", near_miss(kind, members))
        elif colon and position == len(groups) - 1:
            yield step.problem("names a member and no option of it", f"write {choice}={kind} to choose it")


def _unknown(cls: type, step: Step, known: KnownOptions) -> Problem:
    if plain_path(step.path) in known.groups:
        return step.problem(
            f"is a group of options, got {shorten(step.arg)}", "give a table, or the path of one option"
        )
    places = [one for one in (*known.specs, *sorted(known.groups)) if not step.path.startswith(f"{one}.")]
    hint = vocabulary_of(cls).elsewhere(step.path) or near_miss(step.path, places)
    return step.problem("unknown field", hint)
