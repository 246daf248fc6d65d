"""Layers from what people write: assignments, mappings, and JSON, TOML or YAML 1.2 files."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.formats import read_document
from ptycho_config.formats.core_scalars import core_value
from ptycho_config.formats.document import Document, FormatError
from ptycho_config.formats.yaml_text import read_yaml
from ptycho_config.layers import COMMAND_LINE, CONFIG_FILE, OVERRIDES
from ptycho_config.schema.scalars import shorten
from ptycho_config.short_names import vocabulary_of
from ptycho_config.steps import plain_path
from ptycho_config.transform import Transform
from ptycho_config.versions import body_of, schema_of, version_of
from ptycho_config.written_options import ReadOptions, Written, contradictions_in, known_options, read_options

# A path, the text of its value, and its origin.
Text = tuple[str, str, str]
# Lists and no other iterables: one assignment alone, a str, is a mistake that a type checker sees.
Source = list[str] | list[Text] | Mapping[str, Any] | Path


def parse(cls: type, source: Source, name: str | None = None) -> Transform:
    """The layer `name` for the config class `cls` that `source` describes.

    By its type, it is one of:

    - a list of assignments: each `training.model.N=128`, or `(path, value text, origin)`; a value is text without
      quotes as in YAML, a string where only that is accepted, or a list or table as in YAML and JSON. The name is
      `command line` unless given.
    - a mapping with nested or dotted keys: `{"training": {"nepochs": 5}}`, `{"training.nepochs": 5}`. The
      name is `explicit overrides` unless given.
    - the path of a `.json`, `.toml` or `.yaml` file, complete or partial. The name is `config file` unless given.

    Raises ConfigError with every unknown option, contradiction and syntax error, and its place; where there is
    none, a value that an option refuses is found when the layer is applied, with those of other layers.
    """
    found = _read(cls, source, name)
    contradictions = contradictions_in(found.steps)
    if found.problems or contradictions:
        raise ConfigError([*found.problems, *found.refusals, *contradictions], found.layer)
    return Transform(found.steps)


def parse_or_explain(cls: type, source: Source, name: str | None = None) -> tuple[Transform, tuple[Problem, ...]]:
    """The layer `name` for `cls` of what can be read in `source`, and the problems of the rest: as `parse`, for
    a caller that collects those of several sources, and what is found when their layers are applied."""
    try:
        found = _read(cls, source, name)
    except ConfigError as error:
        return Transform(), error.problems
    return Transform(found.steps), found.problems


def _read(cls: type, source: Source, name: str | None) -> ReadOptions:
    if isinstance(source, Path):
        name = CONFIG_FILE if name is None else name
        return read_options(cls, _in_file(cls, source, name), name)
    if isinstance(source, Mapping):
        name = OVERRIDES if name is None else name
        return read_options(cls, _in_table(cls, body_of(source, schema_of(cls)), "", None), name)
    if isinstance(source, (list, tuple)) and all(map(_is_assignment, source)):
        return read_options(cls, _in_texts(cls, source), COMMAND_LINE if name is None else name)
    raise TypeError(f"give a list of assignments, a mapping or a Path, got {source!r}")


def _is_assignment(one: object) -> bool:
    parts = (one,) * 3 if isinstance(one, str) else one
    return isinstance(parts, tuple) and len(parts) == 3 and all(isinstance(part, str) for part in parts)


def _in_texts(cls: type, assignments: Iterable[str | Text]) -> Iterator[Written | Problem]:
    for position, assignment in enumerate(assignments, 1):
        if not isinstance(assignment, str):
            path, text, where = assignment
        else:
            (path, equals, text), where = assignment.partition("="), f"assignment {position}"
            if not equals:
                yield Problem(assignment, "must read PATH=VALUE", where=where)
                continue
        value = _read_text(text)
        if isinstance(value, dict):
            yield from _in_table(cls, {path: value}, where, None)
        else:
            yield Written(path, value, where, text)


def _read_text(text: str) -> Any:
    """A list, a table, quoted text, or a scalar; what is none of them is text."""
    try:
        return read_yaml(text).data if text[:1] in ("[", "{", '"', "'") else core_value(text)
    except FormatError:
        return text


def _in_file(cls: type, path: Path, name: str) -> Iterator[Written | Problem]:
    document, schema = read_document(path), schema_of(cls)
    try:
        body = body_of(document.data, schema)
    except ConfigError as error:
        places = ((problem, document.line_of((problem.path,))) for problem in error.problems)
        placed = [attrs.evolve(one, layer=name, where=_place(path.name, line)) for one, line in places]
        raise ConfigError(placed, f"config file {path}") from None
    if version_of(document.data, schema) != schema:
        # The steps from an older version know nested tables only.
        lines = {tuple(".".join(keys).split(".")): line for keys, line in document.lines.items()}
        document = Document(document.data, lines)
    return _in_table(cls, body, path.name, document)


def _place(file: str, line: int | None) -> str:
    return file if line is None else f"{file}:{line}"


def _in_table(
    cls: type, data: Mapping[Any, Any], file: str, document: Document | None, above: tuple[str, ...] = ()
) -> Iterator[Written | Problem]:
    """The options in a table, those of the groups within it included; where they stand in the `document` of a file."""
    known = known_options(cls)
    for key, value in data.items():
        keys = (*above, key)
        where = _place(file, document.line_of(keys) if document else None)
        path = ".".join(map(str, keys))
        if not isinstance(key, str):
            yield Problem(path, f"a key must be text, got {shorten(key)}", where=where)
        elif isinstance(value, Mapping) and (plain_path(path) in known.groups or path in vocabulary_of(cls).tables):
            spec = known.specs.get(plain_path(path), (None,))[0]
            if spec is not None and spec.only_member:
                # A table switches on a config that can be off.
                yield Written(path, spec.only_member, where)
            yield from _in_table(cls, value, file, document, keys)
        else:
            yield Written(path, value, where, document.texts.get(keys) if document else None)
