"""Configs to and from plain data: dicts, JSON, TOML and YAML 1.2 files."""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import cattrs
import yaml
from cattrs.gen import make_dict_unstructure_fn

from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.resolve import Resolved
from ptycho_config.schema.base import is_config, leaves, specs
from ptycho_config.transform import Step, Transform, layer

C = TypeVar("C")
SCHEMA_KEY = "$schema"


@cache
def converter() -> cattrs.Converter:
    """The one converter: strict, and it collects every problem of a document."""
    made = cattrs.Converter(forbid_extra_keys=True)
    made.register_structure_hook_factory(is_config, lambda cls: _structure_group(made, cls))
    made.register_unstructure_hook_factory(is_config, lambda cls: make_dict_unstructure_fn(cls, made))
    made.register_unstructure_hook(Path, str)
    made.register_unstructure_hook_func(lambda cls: getattr(cls, "__origin__", None) is tuple, list)
    return made


def _structure_group(made: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    known = specs(cls)

    def structure(data: Any, _: Any) -> Any:
        if not isinstance(data, Mapping):
            raise ConfigError([Problem("", f"must be a table of options, got {data!r}")])
        problems = [
            Problem(str(key), "unknown field", hint=near_miss(str(key), known))
            for key in data
            if key not in known
        ]
        values = {}
        for name, spec in known.items():
            if name not in data:
                if spec.required:
                    problems.append(Problem(name, "is required"))
                continue
            try:
                values[name] = _structure_field(made, spec.annotation, spec.accept, data[name])
            except ConfigError as error:
                problems.extend(problem.under(name) for problem in error.problems)
        if problems:
            raise ConfigError(problems, cls.__name__)
        return cls(**values)

    return structure


def _structure_field(
    made: cattrs.Converter, annotation: Any, accept: Callable[[Any], Any], value: Any
) -> Any:
    if is_config(annotation):
        return made.structure(value, annotation)
    try:
        return accept(value)
    except ValueError as error:
        raise ConfigError([Problem("", str(error))]) from None


def dump(config: Any) -> dict[str, Any]:
    """A config as plain data, with `$schema` where its class names one."""
    data: dict[str, Any] = converter().unstructure(config)
    schema = getattr(type(config), "SCHEMA", None)
    return {SCHEMA_KEY: schema, **data} if schema else data


def load(cls: type[C], data: Mapping[str, Any]) -> C:
    """The config that `dump` wrote, or one ConfigError with all problems of the document."""
    schema = getattr(cls, "SCHEMA", None)
    body = {key: value for key, value in data.items() if key != SCHEMA_KEY}
    found = data.get(SCHEMA_KEY, schema)
    subject = schema or cls.__name__
    if found != schema:
        raise ConfigError(
            [Problem(SCHEMA_KEY, f"this version reads {schema!r}, the document is {found!r}")], subject
        )
    try:
        return converter().structure(body, cls)
    except ConfigError as error:
        raise ConfigError(error.problems, subject) from None


def fingerprint(config: Any) -> str:
    """sha256 of the sorted JSON of every field that is part of the config's identity."""
    values = converter().unstructure(config)
    for path, spec in leaves(type(config)):
        if not spec.identity:
            *groups, name = path.split(".")
            node = values
            for group in groups:
                node = node[group]
            del node[name]
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def dump_derivation(resolved: Resolved[Any]) -> dict[str, Any]:
    """Where a config came from, as plain data: base, named layers with their steps, result."""
    plain = converter().unstructure
    layers = [
        {
            "layer": one.steps[0].layer,
            "steps": [
                {
                    "path": s.path,
                    "op": s.op,
                    "value": plain(_plain_arg(s)),
                    "fixed": s.fixed,
                    "where": s.where,
                }
                for s in one.steps
            ],
        }
        for one in resolved.layers
        if one.steps
    ]
    return {
        "base": dump(resolved.base),
        "layers": layers,
        "config": dump(resolved.config),
        "fingerprint": fingerprint(resolved.config),
    }


def _plain_arg(step: Step) -> Any:
    if step.op == "put":
        return step.arg
    name = f"{step.arg.__module__}:{step.arg.__qualname__}"
    if "<" in name:
        raise ConfigError(
            [step.problem("a lambda or local function cannot be saved", "use a module-level function")]
        )
    return name


def parse(cls: type, assignments: list[str], name: str = "command line") -> Transform:
    """`["training.model.N=128"]` to a layer; values are JSON, or bare text for strings."""
    texts = []
    for position, assignment in enumerate(assignments, 1):
        path, equals, text = assignment.partition("=")
        where = f"assignment {position}"
        if not equals:
            raise ConfigError([Problem(assignment, "must read PATH=VALUE", name, where)], name)
        texts.append((path, text, where))
    return parse_texts(cls, texts, name)


def parse_texts(cls: type, texts: Iterable[tuple[str, str, str]], name: str) -> Transform:
    """`(path, value text, where)` triples to a layer, with the rules of `parse`."""
    known = dict(leaves(cls))
    steps, problems = [], []
    for path, text, where in texts:
        if path in known:
            steps.append(Step(path, "put", _value_of(text, known[path].accept), where=where))
        else:
            problems.append(Problem(path, "unknown field", name, where, near_miss(path, known)))
    if problems:
        raise ConfigError(problems, name)
    return layer(name, Transform(tuple(steps)))


def _value_of(text: str, accept: Callable[[Any], Any]) -> Any:
    """The JSON reading of `text`, or the text itself where only that is accepted."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    try:
        accept(value)
    except ValueError:
        return text if _accepts(accept, text) else value
    return value


def _accepts(accept: Callable[[Any], Any], value: object) -> bool:
    try:
        accept(value)
    except ValueError:
        return False
    return True


def from_mapping(cls: type, data: Mapping[str, Any], name: str, where: str = "") -> Transform:
    """A layer from nested or dotted keys: `{"training": {"nepochs": 5}}`, `{"training.nepochs": 5}`."""
    known = {path for path, _ in leaves(cls)}
    steps = [Step(path, "put", value, where=where) for path, value in _flatten(data, "", known)]
    schema = getattr(cls, "SCHEMA", None)
    problems = [
        step.problem("unknown field", near_miss(step.path, known)) for step in steps if step.path not in known
    ]
    found = data.get(SCHEMA_KEY, schema)
    if found != schema:
        problems.append(Problem(SCHEMA_KEY, f"this version reads {schema!r}, got {found!r}", name, where))
    if problems:
        raise ConfigError([_with_layer(problem, name) for problem in problems], name)
    return layer(name, Transform(tuple(steps)))


def _with_layer(problem: Problem, name: str) -> Problem:
    return Problem(problem.path, problem.message, name, problem.where, problem.hint)


def _flatten(data: Mapping[str, Any], prefix: str, known: set[str]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in data.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if path == SCHEMA_KEY:
            continue
        if isinstance(value, Mapping) and path not in known:
            found.extend(_flatten(value, path, known))
        else:
            found.append((path, value))
    return found


class _Yaml12(yaml.SafeLoader):
    """YAML with the 1.2 core schema for numbers and booleans: `1e9` is a float, `no` a string."""


_Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if not tag.endswith((":bool", ":float", ":timestamp"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Yaml12.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)$|^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)$"
    ),
    list("-+.0123456789"),
)


def _load_yaml(text: str) -> Any:
    return yaml.load(text, _Yaml12)  # noqa: S506 - _Yaml12 is a SafeLoader


def read_table(path: Path) -> dict[str, Any]:
    """The table in a `.json`, `.toml`, `.yaml` or `.yml` file, or a ConfigError that names it."""
    readers: dict[str, Callable[[str], Any]] = {
        ".json": json.loads,
        ".toml": tomllib.loads,
        ".yaml": _load_yaml,
        ".yml": _load_yaml,
    }
    subject = f"config file {path}"
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ConfigError(
            [Problem("", f"cannot read '{path.suffix}' files", hint="use .json, .toml or .yaml")], subject
        )
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


def config_file(cls: type, path: Path) -> Transform:
    """A config file, complete or partial, as a layer."""
    return from_mapping(cls, read_table(path), f"config file {path.name}")
