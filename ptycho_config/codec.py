"""Configs and derivations to and from plain data."""

import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_unstructure_fn

from ptycho_config.compiled import reader
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.resolve import Resolved
from ptycho_config.schema.base import FieldSpec, build, is_config, kind_of, leaves_of, specs, variants
from ptycho_config.transform import Step

C = TypeVar("C")
SCHEMA_KEY = "$schema"
KIND_KEY = "kind"
Migration = Callable[[dict[str, Any]], dict[str, Any]]
_MIGRATIONS: dict[tuple[str, int], Migration] = {}


@functools.cache
def converter() -> cattrs.Converter:
    """The one converter: strict, and it collects every problem of a document."""
    made = cattrs.Converter(forbid_extra_keys=True)
    made.register_structure_hook_factory(is_config, lambda cls: _structure_group(made, cls))
    made.register_unstructure_hook_factory(is_config, lambda cls: make_dict_unstructure_fn(cls, made))
    made.register_unstructure_hook_func(
        lambda cls: bool(variants(cls)),
        lambda value: {KIND_KEY: kind_of(type(value)), **made.unstructure(value)},
    )
    made.register_unstructure_hook(Path, str)
    made.register_unstructure_hook_func(lambda cls: getattr(cls, "__origin__", None) is tuple, list)
    return made


def _structure_group(made: cattrs.Converter, cls: type) -> Callable[[Any, Any], Any]:
    nested = {
        name: _nested(made, spec) for name, spec in specs(cls).items() if spec.is_group or spec.variants
    }
    read = reader(cls, nested)

    def structure(data: Any, _: Any) -> Any:
        config = read(data) if isinstance(data, dict) else None
        return _structure_slowly(made, cls, data) if config is None else config

    return structure


def _nested(made: cattrs.Converter, spec: FieldSpec) -> Callable[[Any], Any]:
    if spec.is_group:
        structure, cls = made.get_structure_hook(spec.annotation), spec.annotation
        return lambda value: structure(value, cls)
    return _choice_reader(made, spec)


def _choice_reader(made: cattrs.Converter, spec: FieldSpec) -> Callable[[Any], Any]:
    members = {kind: (made.get_structure_hook(cls), cls) for kind, cls in spec.variants.items()}

    def read(value: Any) -> Any:
        try:
            structure, cls = members[value[KIND_KEY]]
        except (KeyError, TypeError):
            return _structure_field(made, spec, value)
        return structure({key: item for key, item in value.items() if key != KIND_KEY}, cls)

    return read


def _structure_slowly(made: cattrs.Converter, cls: type, data: Any) -> Any:
    """As for a complete and correct table, but with defaults, and with every problem named."""
    known = specs(cls)
    if not isinstance(data, Mapping):
        raise ConfigError([Problem("", f"must be a table of options, got {data!r}")])
    unknown = [str(key) for key in data if key not in known]
    problems = [Problem(key, "unknown field", hint=near_miss(key, known)) for key in unknown]
    values = {}
    for name, spec in known.items():
        if name not in data:
            if spec.required:
                problems.append(Problem(name, "is required"))
            values[name] = spec.default
            continue
        try:
            values[name] = _structure_field(made, spec, data[name])
        except ConfigError as error:
            problems.extend(problem.under(name) for problem in error.problems)
    if problems:
        raise ConfigError(problems, cls.__name__)
    return build(cls, values)


def _structure_field(made: cattrs.Converter, spec: FieldSpec, value: Any) -> Any:
    if spec.is_group:
        return made.structure(value, spec.annotation)
    if spec.variants:
        return made.structure(*_chosen(spec.variants, value))
    try:
        return spec.accept(value)
    except ValueError as error:
        raise ConfigError([Problem("", str(error))]) from None


def _chosen(members: Mapping[str, type], value: Any) -> tuple[dict[str, Any], type]:
    """The table of a choice without its `kind`, and the member that the kind names."""
    listed = ", ".join(map(repr, members))
    if not isinstance(value, Mapping) or KIND_KEY not in value:
        raise ConfigError([Problem("", f"must be a table with {KIND_KEY!r}, one of {listed}, got {value!r}")])
    kind = value[KIND_KEY]
    if kind not in members:
        hint = near_miss(str(kind), members)
        raise ConfigError([Problem(KIND_KEY, f"must be one of {listed}, got {kind!r}", hint=hint)])
    return {key: item for key, item in value.items() if key != KIND_KEY}, members[kind]


def dump(config: Any) -> dict[str, Any]:
    """A config as plain data, with `$schema` where its class names one."""
    data: dict[str, Any] = converter().unstructure(config)
    schema = getattr(type(config), "SCHEMA", None)
    return {SCHEMA_KEY: schema, **data} if schema else data


def migration(name: str, version: int) -> Callable[[Migration], Migration]:
    """Register the pure step that turns a document of `name/version` into the next version."""

    def register(step: Migration) -> Migration:
        if (name, version) in _MIGRATIONS:
            raise ValueError(f"there is a migration of {name}/{version} already")
        _MIGRATIONS[name, version] = step
        return step

    return register


def migrate(data: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """A document brought to the version of `schema` (`name/version`), step by step; without
    `$schema` it counts as current. Raises ConfigError for a newer or a foreign document."""
    name, _, current = schema.rpartition("/")
    found = str(data.get(SCHEMA_KEY, schema))
    found_name, _, found_version = found.rpartition("/")
    if found_name != name or not found_version.isdigit() or int(found_version) > int(current):
        message = f"this version reads {schema!r}, the document is {found!r}"
        raise ConfigError([Problem(SCHEMA_KEY, message)], schema)
    if found == schema:
        return dict(data) if SCHEMA_KEY in data else {SCHEMA_KEY: schema, **data}
    body = {key: value for key, value in data.items() if key != SCHEMA_KEY}
    for version in range(int(found_version), int(current)):
        step = _MIGRATIONS.get((name, version))
        if step is None:
            raise ConfigError([Problem(SCHEMA_KEY, f"there is no migration from {name}/{version}")], schema)
        body = step(body)
    return {SCHEMA_KEY: schema, **body}


def load(cls: type[C], data: Mapping[str, Any]) -> C:
    """The config that `dump` wrote, migrated, or one ConfigError with all problems of the document."""
    schema = getattr(cls, "SCHEMA", None)
    current = migrate(data, schema) if schema else data
    body = {key: value for key, value in current.items() if key != SCHEMA_KEY}
    try:
        return converter().structure(body, cls)
    except ConfigError as error:
        raise ConfigError(error.problems, schema or cls.__name__) from None


def fingerprint(config: Any) -> str:
    """sha256 of the sorted JSON of every field that is part of the config's identity."""
    values = converter().unstructure(config)
    for path, spec, _ in leaves_of(config):
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
    layers = [
        {
            "layer": one.steps[0].layer,
            "steps": [
                {
                    "path": s.path,
                    "op": s.op,
                    "value": _plain(_argument(s)),
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


def _plain(value: Any) -> Any:
    made = converter().unstructure(value)
    return {KIND_KEY: kind_of(type(value)), **made} if is_config(type(value)) else made


def _argument(step: Step) -> Any:
    if step.op == "put":
        return step.arg
    name = f"{step.arg.__module__}:{step.arg.__qualname__}"
    if "<" in name:
        raise ConfigError(
            [step.problem("a lambda or local function cannot be saved", "use a module-level function")]
        )
    return name
