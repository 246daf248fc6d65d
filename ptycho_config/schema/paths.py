"""The places of configs by dotted path."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.specs import kind_at, kind_of, specs


def leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    """Every leaf that a `cls` can have as `(dotted path, spec)`, depth first: a choice counts as a
    leaf, followed by the leaves of all its members. The specs hold what they inherit."""
    return _all_leaves(cls)


@cache
def _all_leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    return tuple(_leaves(cls, (), None))


def _leaves(cls: type, prefix: tuple[str, ...], above: FieldSpec | None) -> Iterator[tuple[str, FieldSpec]]:
    for name, own in specs(cls).items():
        here, spec = (*prefix, name), _inherit(own, above)
        if not spec.is_group:
            yield ".".join(here), spec
        for member in (spec.annotation,) if spec.is_group else spec.members.values():
            yield from _leaves(member, here, spec)


def _inherit(spec: FieldSpec, above: FieldSpec | None) -> FieldSpec:
    if above is None:
        return spec
    resumable = above.resumable if spec.resumable is None else spec.resumable
    return attrs.evolve(spec, inference=spec.inference or above.inference, resumable=resumable)


def leaves_of(config: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldSpec, Any]]:
    """Every leaf of `config` below `prefix` as `(dotted path, spec, value)`; the value of a choice is
    its kind, followed by the leaves of its member."""
    for name, spec in specs(type(config)).items():
        here, value = (*prefix, name), getattr(config, name)
        nested = spec.is_group or bool(spec.members)
        if not spec.is_group:
            yield ".".join(here), spec, kind_of(type(value)) if nested else value
        if nested:
            yield from leaves_of(value, here)


def get_path(config: Any, path: str) -> Any:
    """The value of `config` at a dotted `path`; `name:kind` demands that a choice has this member."""
    for token in path.split(".") if path else ():
        name, _, kind = token.partition(":")
        config = config[int(name)] if isinstance(config, tuple) else getattr(config, name)
        if kind and kind_at(config) != kind:
            raise ConfigError([Problem(path, f"is {kind_at(config)!r} here, not {kind!r}")])
    return config
