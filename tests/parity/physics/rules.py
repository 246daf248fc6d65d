"""The declared rules, read from the table of `docs/physics_parity.md`."""

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[3] / "docs" / "physics_parity.md"
_ROW = re.compile(r"\| (?P<cases>`[^|]+`) \| `(?P<name>\w+)` \| (?P<reason>[^|]+) \|")


class Rule(NamedTuple):
    """The cases that a rule may explain, as patterns of `file/output`, and why they differ."""

    patterns: tuple[str, ...]
    reason: str


@cache
def declared() -> dict[str, Rule]:
    """Name to rule."""
    rows = _ROW.finditer(PAGE.read_text(encoding="utf-8"))
    return {row["name"]: Rule(tuple(re.findall(r"`([^`]+)`", row["cases"])), row["reason"].strip()) for row in rows}


def allowed(name: str, case: str) -> bool:
    """Whether the table declares the rule for the case."""
    rule = declared().get(name)
    return rule is not None and any(fnmatchcase(case, pattern) for pattern in rule.patterns)
