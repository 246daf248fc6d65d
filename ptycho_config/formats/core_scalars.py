"""Text without quotes as a value, by the core schema of YAML 1.2: files and command lines read alike."""

import math
import re
from collections.abc import Callable

from ptycho_config.formats.document import check_digits

Scalar = bool | int | float | str | None


def _read_prefixed(text: str) -> int:
    return int(text, 0)


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], Scalar]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), _read_prefixed),
    (re.compile(r"0x[0-9a-fA-F]+"), _read_prefixed),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: -math.inf if text[0] == "-" else math.inf),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: math.nan),
)
_FIRST = frozenset("nN~tTfF0123456789+-.")


def core_value(text: str) -> Scalar:
    """`010` is 10, `0o7` is 7, `1e9` is a number; `no`, `12:30` and `1_000` are text. Raises FormatError for a
    number of thousands of digits."""
    if text and text[0] not in _FIRST:
        return text
    for form, read in _FORMS:
        if form.fullmatch(text):
            check_digits(text)
            return read(text)
    return text
