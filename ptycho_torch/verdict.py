"""The verdict on a scan and on its reconstruction: a level, the evidence for it, and what to do."""

import math
from collections.abc import Iterable
from typing import Literal

import attrs

Level = Literal["sound", "doubtful", "wrong"]
LEVELS: tuple[Level, ...] = ("sound", "doubtful", "wrong")
_LISTED = 10


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


@attrs.frozen(kw_only=True)
class Evidence:
    """One thing that was measured.

    name: short, the same in every run; level: the verdict that this alone would give; text: a sentence; value: the
    figure, None where there is none or it is not finite; frames: the patterns it is about, from 0; remedy: what to do,
    empty where nothing.
    """

    name: str
    level: Level
    text: str
    value: float | None = attrs.field(default=None, converter=_finite)
    frames: tuple[int, ...] = ()
    remedy: str = ""


@attrs.frozen
class Verdict:
    """The level of the worst evidence, all evidence, and the remedies of what is not sound."""

    level: Level
    evidence: tuple[Evidence, ...]
    remedy: str

    @property
    def sentences(self) -> tuple[str, ...]:
        """A sentence for everything that is not sound, the worst first."""
        found = [one for one in self.evidence if one.level != "sound"]
        ranked = sorted(found, key=lambda one: -LEVELS.index(one.level))
        return tuple(f"{one.text} ({one.remedy})" if one.remedy else one.text for one in ranked)

    def __str__(self) -> str:
        return "; ".join([f"verdict: {self.level}", *self.sentences])


def judge(evidence: Iterable[Evidence]) -> Verdict:
    """The verdict that the evidence gives."""
    found = tuple(evidence)
    level: Level = LEVELS[max((LEVELS.index(one.level) for one in found), default=0)]
    remedies = dict.fromkeys(one.remedy for one in found if one.remedy and one.level != "sound")
    return Verdict(level, found, "; ".join(remedies))


def enumeration(indices: Iterable[object]) -> str:
    """Indices as `3, 17, 20`, the first ten of them and how many more."""
    every = list(indices)
    text = ", ".join(str(one) for one in every[:_LISTED])
    return f"{text} and {len(every) - _LISTED} more" if len(every) > _LISTED else text
