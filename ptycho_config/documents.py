"""Layers from what people write: assignments, mappings, and JSON, TOML or YAML 1.2 files."""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from ptycho_config.codec import KIND_KEY, SCHEMA_KEY, migrate
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.layers import COMMAND_LINE, CONFIG_FILE, OVERRIDES
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves
from ptycho_config.steps import Step, plain_path
from ptycho_config.transform import Transform
from ptycho_config.vocabulary.aliases import Alias, aliases, only_elsewhere

# A path, the text of its value, and its origin.
Text = tuple[str, str, str]
# Lists and no other iterables: one assignment alone, a str, is a mistake that a type checker sees.
Source = list[str] | list[Text] | Mapping[str, Any] | Path


def parse(cls: type, source: Source, name: str | None = None) -> Transform:
    """The layer `name` for the config class `cls` that `source` describes.

    By its type, it is one of:

    - a list of assignments: each `training.model.N=128`, or `(path, value text, origin)`; a value is JSON, or bare
      text for a string. The name is `command line` unless given.
    - a mapping with nested or dotted keys: `{"training": {"nepochs": 5}}`, `{"training.nepochs": 5}`. The
      name is `explicit overrides` unless given.
    - the path of a `.json`, `.toml` or `.yaml` file, complete or partial. The name is `config file` unless given.

    Raises ConfigError with every unknown option, refused value and syntax error, and its place.
    """
    if isinstance(source, Path):
        table = read_table(source)
        lines = _lines(source) if source.suffix.lower() in (*_YAML_SUFFIXES, ".json") else None
        return _from_mapping(cls, table, CONFIG_FILE if name is None else name, source.name, lines)
    if isinstance(source, Mapping):
        return _from_mapping(cls, source, OVERRIDES if name is None else name)
    if not isinstance(source, (list, tuple)):
        raise TypeError(f"give a list of assignments, a mapping or a Path, got {source!r}")
    return _from_texts(cls, source, COMMAND_LINE if name is None else name)


def _from_texts(cls: type, assignments: Iterable[str | Text], name: str) -> Transform:
    known = dict(leaves(cls))
    given = []
    for path, text, where in _split(assignments, name):
        alias = aliases(cls).get(path, Alias((path,)))
        spec = known.get(plain_path(alias.paths[0])) if alias.paths else None
        value = text if spec is None else _value_of(text, alias, spec)
        given.append(Step(path, "put", value, name, where=where))
    return Transform(_canonical_steps(cls, given, name))


def _split(assignments: Iterable[str | Text], name: str) -> Iterator[Text]:
    for position, assignment in enumerate(assignments, 1):
        if not isinstance(assignment, str):
            yield assignment
            continue
        path, equals, text = assignment.partition("=")
        where = f"assignment {position}"
        if not equals:
            raise ConfigError([Problem(assignment, "must read PATH=VALUE", name, where)], name)
        yield path, text, where


def _value_of(text: str, alias: Alias, spec: FieldSpec) -> Any:
    """The JSON reading of `text`, or the text itself where only that is accepted."""

    def accepts(value: object) -> bool:
        try:
            spec.accept(alias.translation.read(value))
        except ValueError:
            return False
        return True

    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if not accepts(value) and accepts(text) else value


def _from_mapping(
    cls: type, data: Mapping[str, Any], name: str, where: str = "", lines: Mapping[str, int] | None = None
) -> Transform:
    """As `parse`; `lines` are the lines of the options in the file `where`, where known."""
    known = dict(leaves(cls))
    choices = {path for path, spec in known.items() if spec.members}
    schema = getattr(cls, "SCHEMA", None)
    current = migrate(data, schema) if schema and SCHEMA_KEY in data else data
    steps = [
        Step(path, "put", value, name, where=where if lines is None else f"{where}:{lines.get(path, 1)}")
        for path, value in _flatten(current, "", choices)
    ]
    return Transform(_canonical_steps(cls, steps, name))


def _canonical_steps(cls: type, steps: Iterable[Step], name: str) -> tuple[Step, ...]:
    """The steps with full paths, short and foreign names replaced and named in `where`; choices
    first, so that the order in which options are written does not matter."""
    known, spelled = dict(leaves(cls)), []
    problems: list[Problem] = []
    for step in steps:
        path = plain_path(step.path)
        alias = None if path in known else aliases(cls).get(step.path)
        if path in known:
            problems += _strange_members(step, known)
            spelled.append(_current_value(step, known[path]))
        elif alias is None or alias.gone:
            problems.append(step.problem(alias.gone) if alias else _unknown_option(cls, step, known))
        else:
            where = f"{step.where} as {step.path!r}".strip()
            try:
                value = alias.translation.read(step.arg)
            except ValueError as error:
                problems.append(step.problem(str(error)))
                continue
            steps_here = (attrs.evolve(step, path=path, arg=value, where=where) for path in alias.paths)
            spelled += [_current_value(one, known[one.path]) for one in steps_here]
    if problems:
        raise ConfigError(problems, name)
    return tuple(sorted(spelled, key=lambda step: not known[plain_path(step.path)].members))


def _strange_members(step: Step, known: Mapping[str, FieldSpec]) -> Iterator[Problem]:
    """The kinds that a path demands, as `torch.net:fno.modes` does, and no member has: a problem each."""
    groups = step.path.split(".")
    for position, group in enumerate(groups):
        choice, colon, kind = plain_path(".".join(groups[: position + 1])), *group.partition(":")[1:]
        members = known[choice].members if choice in known else {}
        if colon and kind not in members:
            yield step.problem(f"{choice} has no member {kind!r}", near_miss(kind, members))
        elif colon and position == len(groups) - 1:
            yield step.problem("names a member and no option of it", f"write {choice}={kind} to choose it")


def _current_value(step: Step, spec: FieldSpec) -> Step:
    """The step with the present name of a renamed value; `where` keeps the one that was written."""
    if not isinstance(step.arg, str) or step.arg not in spec.renamed:
        return step
    where = f"{step.where} as {step.arg!r}".strip()
    return attrs.evolve(step, arg=spec.renamed[step.arg], where=where)


def _unknown_option(cls: type, step: Step, known: Iterable[str]) -> Problem:
    if any(path.startswith(f"{step.path}.") for path in known):
        return step.problem(f"is a group of options, got {step.arg!r}", "give a table, or the path of one option")
    parents = {path.rpartition(".")[0] for path in known}
    hint = only_elsewhere(cls, step.path) or near_miss(step.path, [*known, *sorted(parents)])
    return step.problem("unknown field", hint)


def _flatten(data: Mapping[str, Any], prefix: str, choices: set[str]) -> list[tuple[str, Any]]:
    """`(path, value)` of every leaf; the `kind` of a choice comes first, as its own value."""
    found: list[tuple[str, Any]] = []
    for key, value in data.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if path == SCHEMA_KEY:
            continue
        if prefix in choices and key == KIND_KEY:
            found.insert(0, (prefix, value))
        elif isinstance(value, Mapping):
            found.extend(_flatten(value, path, choices))
        else:
            found.append((path, value))
    return found


_YAML_SUFFIXES = (".yaml", ".yml")


class _Yaml12(yaml.SafeLoader):
    """YAML with the 1.2 core schema for numbers and booleans: `1e9` is a float, `no` a string."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":bool", ":float", ":timestamp"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))
_Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)$|^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)$"),
    list("-+.0123456789"),
)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, _Yaml12)  # noqa: S506 - _Yaml12 is a SafeLoader


def read_table(path: Path) -> dict[str, Any]:
    """The table in a `.json`, `.toml`, `.yaml` or `.yml` file, or a ConfigError that names it."""
    readers: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".toml": tomllib.loads,
        **dict.fromkeys(_YAML_SUFFIXES, _load_yaml),
    }
    subject = f"config file {path}"
    reader = readers.get(path.suffix.lower())
    if reader is None:
        problem = Problem("", f"cannot read '{path.suffix}' files", hint="use .json, .toml or .yaml")
        raise ConfigError([problem], subject)
    try:
        data = reader(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}")], subject) from None
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError([Problem("", f"is not valid {path.suffix[1:]}: {error}")], subject) from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError([Problem("", "must hold a table of options")], subject)
    return data


def _lines(path: Path) -> dict[str, int] | None:
    """The line of every key by dotted path, first line 1. JSON is YAML, but for tabs between its
    tokens; such a file has no line numbers."""
    found: dict[str, int] = {}

    def visit(node: yaml.Node | None, prefix: str) -> None:
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            here = f"{prefix}.{key.value}" if prefix else str(key.value)
            found[here] = key.start_mark.line + 1
            visit(value, here)

    try:
        visit(yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader), "")
    except yaml.YAMLError:
        return None
    return found
