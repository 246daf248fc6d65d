"""Other names of options, which belong to the root class that a configuration starts from."""

import importlib
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import attrs


def _same(value: Any) -> Any:
    return value


def _nowhere(_: str) -> str:
    return ""


@attrs.frozen
class Translation:
    """`read` turns the foreign value into ours, `write` ours into the foreign one.

    A value that `read` does not know passes unchanged, so the field's own check refuses it
    and lists what there is. `read` raises ValueError where the value cannot be meant. forms: JSON Schemas of the
    values that it translates, besides those of the option itself.
    """

    read: Callable[[Any], Any] = _same
    write: Callable[[Any], Any] = _same
    forms: tuple[Mapping[str, Any], ...] = ()


SAME = Translation()


@attrs.frozen
class Alias:
    """The paths that a name sets, the reading of its value, or why there is no such option any more."""

    paths: tuple[str, ...]
    translation: Translation = SAME
    gone: str = ""


@attrs.frozen
class Vocabulary:
    """aliases: by name. elsewhere: the hint for a name that only another root class knows, or nothing.
    moved: options that are read at another path than their own. tables: of other configuration files, whose options
    are aliases as `table.name`."""

    aliases: Mapping[str, Alias] = MappingProxyType({})
    elsewhere: Callable[[str], str] = _nowhere
    moved: Mapping[str, str] = MappingProxyType({})
    tables: frozenset[str] = frozenset()


@cache
def vocabulary_of(root: type) -> Vocabulary:
    """The other names that the config class `root` understands.

    Its class attribute `VOCABULARY` names the function, as `module:name`, that gives them for a root class: it is
    imported when names are first looked for. A class without it has none.
    """
    module, _, name = getattr(root, "VOCABULARY", "").partition(":")
    if not module:
        return Vocabulary()
    made: Vocabulary = getattr(importlib.import_module(module), name)(root)
    return made
