"""YAML 1.2 with lines, from the events of a parser: one pass, no recursion, the scalars of the core schema."""

from collections.abc import Iterator
from typing import Any

import attrs
import yaml

from ptycho_config.formats.core_scalars import core_value
from ptycho_config.formats.document import Document, FormatError, Keys, check_depth, given_twice

# What anchors may expand to, in values.
_MAX_VALUES = 100_000
_PREFIX = "tag:yaml.org,2002:"
_TAGS: dict[str, tuple[type, ...]] = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, parser: Any = _PARSER) -> Document:
    """The value of the one document in `text`, and the lines of its keys. Raises FormatError.

    parser: the class that gives the events: that of libyaml where it is there, which is ten times as fast.
    """
    builder = _Builder()
    try:
        for event in _events(parser(text)):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise FormatError(error.problem or error.context or "", mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise FormatError(" ".join(str(error).split())) from None
    return Document(builder.data, builder.lines, builder.texts)


def _events(parser: Any) -> Iterator[yaml.Event]:
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


@attrs.define
class _Open:
    """A table or list whose end has not come; `seen` has the lines of its keys, `size` counts its values."""

    data: Any
    keys: Keys
    anchor: str | None
    line: int
    key: str | None = None
    seen: dict[str, int] = attrs.field(factory=dict)
    size: int = 1


class _Builder:
    """Takes one event after the other; then `data` is the value."""

    def __init__(self) -> None:
        # A file of comments has no document and sets nothing.
        self.data: Any = {}
        self.lines: dict[Keys, int] = {}
        self.texts: dict[Keys, str] = {}
        self._open: list[_Open] = []
        # By anchor: its value and its size; None while it is open.
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.ScalarEvent():
                self._take_scalar(event, line)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._start(event, line)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._take_alias(str(event.anchor), line)
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise FormatError("has more than one document", line)

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].data, dict) and self._open[-1].key is None

    def _take_scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if self._awaits_key():
            if event.value == "<<" and event.implicit[0]:
                raise FormatError("YAML 1.2 has no merge keys (<<): write the options out", line)
            self._set_key(event.value, line)
            return
        value = _value_of(event, line)
        in_table = self._open and self._open[-1].key is not None
        if in_table and event.tag is None and event.implicit[0] and not isinstance(value, str):
            self.texts[self._here()] = event.value
        self._add(value, 1, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)

    def _set_key(self, key: str, line: int) -> None:
        table = self._open[-1]
        if key in table.seen:
            raise given_twice(key, table.seen[key], line)
        table.seen[key], table.key = line, key
        self.lines.setdefault((*table.keys, key), line)

    def _here(self) -> Keys:
        if not self._open:
            return ()
        above = self._open[-1]
        return above.keys if above.key is None else (*above.keys, above.key)

    def _start(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if self._awaits_key():
            raise FormatError("a key must be text", line)
        if event.tag not in (None, "!", f"{_PREFIX}map", f"{_PREFIX}seq"):
            raise FormatError(f"the tag {event.tag!r} is not read", line)
        data: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(data, self._here(), event.anchor, line))
        check_depth(len(self._open), line)
        if event.anchor:
            self._anchors[event.anchor] = None

    def _end(self) -> None:
        done = self._open.pop()
        if done.anchor:
            self._anchors[done.anchor] = (done.data, done.size)
        self._add(done.data, done.size, done.line)

    def _take_alias(self, anchor: str, line: int) -> None:
        if self._awaits_key():
            raise FormatError("a key must be text", line)
        if anchor not in self._anchors:
            raise FormatError(f"there is no anchor {anchor!r} above", line)
        found = self._anchors[anchor]
        if found is None:
            raise FormatError(f"the anchor {anchor!r} contains itself", line)
        self._add(*found, line)

    def _add(self, value: Any, size: int, line: int) -> None:
        if not self._open:
            self.data = value
            return
        above = self._open[-1]
        above.size += size
        if above.size > _MAX_VALUES:
            raise FormatError(f"its anchors stand for more than {_MAX_VALUES} values", line)
        if isinstance(above.data, list):
            above.data.append(value)
        else:
            above.data[above.key], above.key = value, None


def _value_of(event: yaml.ScalarEvent, line: int) -> Any:
    """The value of a scalar by its tag or, without one, by its form."""
    try:
        if event.tag is None:
            return core_value(event.value) if event.implicit[0] else event.value
        tag = event.tag.removeprefix(_PREFIX)
        if tag in ("str", "!"):
            return event.value
        value = core_value(event.value)
    except FormatError as error:
        raise FormatError(str(error), line) from None
    if tag not in _TAGS or not isinstance(value, _TAGS[tag]) or (isinstance(value, bool) and tag != "bool"):
        raise FormatError(f"{event.value!r} with the tag {event.tag!r} is not read", line)
    return float(value) if tag == "float" and isinstance(value, int) else value
