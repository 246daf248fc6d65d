"""The places of configs by dotted path."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.specs import kind_at, specs


def leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    """Every leaf that a `cls` can have as `(dotted path, spec)`, depth first: a choice counts as a
    leaf, followed by the leaves of all its members. The specs hold what they inherit."""
    return _all_leaves(cls)


@cache
def _all_leaves(cls: type) -> tuple[tuple[str, FieldSpec], ...]:
    return tuple(_leaves(cls, (), None))


def _leaves(
    cls: type, prefix: tuple[str, ...], above: FieldSpec | None, around: tuple[type, ...] = ()
) -> Iterator[tuple[str, FieldSpec]]:
    if cls in around:
        raise TypeError(f"{cls.__name__} contains itself at {'.'.join(prefix)}, so its options have no end")
    for name, own in specs(cls).items():
        here, spec = (*prefix, name), _inherit(own, above)
        if not spec.is_group:
            yield ".".join(here), spec
        for member in (spec.annotation,) if spec.is_group else spec.members.values():
            yield from _leaves(member, here, spec, (*around, cls))


def _inherit(spec: FieldSpec, above: FieldSpec | None) -> FieldSpec:
    if above is None:
        return spec
    resumable = above.resumable if spec.resumable is None else spec.resumable
    return attrs.evolve(spec, inference=spec.inference or above.inference, resumable=resumable)


def leaves_of(config: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, FieldSpec, Any]]:
    """Every leaf of `config` below `prefix` as `(dotted path, spec, value)`; the value of a choice is
    its kind, followed by the leaves of its member, or None where it is off."""
    for name, spec in specs(type(config)).items():
        here, value = (*prefix, name), getattr(config, name)
        nested = spec.is_group or bool(spec.members)
        if not spec.is_group:
            yield ".".join(here), spec, kind_at(value) if nested else value
        if nested and value is not None:
            yield from leaves_of(value, here)


def get_path(config: Any, path: str) -> Any:
    """The value of `config` at a dotted `path`; `name:kind` demands that a choice has this member."""
    for token in path.split(".") if path else ():
        name, _, kind = token.partition(":")
        if isinstance(config, tuple):
            config = config[int(name)]
        else:
            config = config[name] if isinstance(config, Mapping) else getattr(config, name)
        if kind and kind_at(config) != kind:
            raise ConfigError([Problem(path, f"is {kind_at(config)!r} here, not {kind!r}")])
    return config
