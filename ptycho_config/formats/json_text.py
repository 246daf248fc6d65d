"""JSON with lines: the standard reader for the values, and one walk over the tokens for the keys."""

import json
import re

from ptycho_config.formats.document import Document, FormatError, Keys, check_depth, given_twice

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:\n]')


def read_json(text: str) -> Document:
    """The value of `text` and the lines of its keys. Raises FormatError."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise FormatError(error.msg, error.lineno) from None
    except ValueError as error:
        raise FormatError(str(error)) from None
    return Document(data, _key_lines(text))


def _key_lines(text: str) -> dict[Keys, int]:
    """The line of every key of a valid `text`."""
    lines: dict[Keys, int] = {}
    line, last = 1, ""
    here: Keys = ()
    # Of each open table or list: its keys, and the lines of those seen.
    open_: list[tuple[Keys, dict[str, int]]] = []
    for match in _TOKEN.finditer(text):
        mark = match[0]
        if mark == "\n":
            line += 1
        elif mark == ":":
            key = json.loads(last) if "\\" in last else last[1:-1]
            above, seen = open_[-1]
            if key in seen:
                raise given_twice(key, seen[key], line)
            seen[key] = line
            here = (*above, key)
            lines.setdefault(here, line)
        elif mark in ("{", "["):
            open_.append((here, {}))
            check_depth(len(open_), line)
        elif mark in ("}", "]"):
            here = open_.pop()[0]
        else:
            last = mark
    return lines
