"""How a golden output is judged: equal, equal by a declared rule, or failed."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

RTOL = 2e-5
INTERPOLATED = 1e-4
LEAST_COMPARED = 0.2
Array = NDArray[Any]


def array(value: Any) -> Array:
    """A tensor, number or sequence as an array."""
    return value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


class Same(NamedTuple):
    """Ours and theirs agree: shape exactly, integers and truth values exactly, numbers to
    `rtol (|theirs| + rms theirs)`; only at `where`, if that is given: a fifth of them at least."""

    ours: Any
    theirs: Any
    rtol: float = RTOL
    where: Array | None = None

    def fault(self) -> str:
        """What is wrong, or nothing."""
        ours, theirs = array(self.ours), array(self.theirs)
        if ours.shape != theirs.shape:
            return f"shapes differ: ours {ours.shape}, theirs {theirs.shape}"
        if self.where is not None:
            if self.where.mean() < LEAST_COMPARED:
                return f"only {self.where.mean():.0%} of the values can be compared"
            ours, theirs = ours[self.where], theirs[self.where]
        if theirs.dtype.kind in "biu":
            wrong = int((ours != theirs).sum())
            return f"{wrong} of {theirs.size} values differ" if wrong else ""
        return _deviation(ours.astype(np.complex128), theirs.astype(np.complex128), self.rtol)


def _deviation(ours: Array, theirs: Array, rtol: float) -> str:
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        return "values are not finite"
    allowed = rtol * (np.abs(theirs) + np.sqrt(np.mean(np.abs(theirs) ** 2)))
    beyond = np.abs(ours - theirs) - allowed
    if (beyond <= 0).all():
        return ""
    worst = np.unravel_index(np.argmax(beyond), beyond.shape)
    return (
        f"{int((beyond > 0).sum())} of {theirs.size} values differ, at {tuple(map(int, worst))} "
        f"ours {ours[worst]:.7g}, theirs {theirs[worst]:.7g}, allowed {allowed[worst]:.2g}"
    )


class Holds(NamedTuple):
    """A statement that must be true."""

    statement: str
    true: Any

    def fault(self) -> str:
        """What is wrong, or nothing."""
        return "" if bool(self.true) else f"not true: {self.statement}"


Part = Same | Holds


@attrs.frozen
class Finding:
    """What must hold for a golden output: all of `direct`, or all of `explained`, which states the
    difference that the named rules declare."""

    direct: Sequence[Part] = ()
    rules: tuple[str, ...] = ()
    explained: Sequence[Part] = ()

    def verdict(self) -> tuple[str, str]:
        """`(equal | by rule | failed, names of the rules or what is wrong)`."""
        faults = [fault for part in self.direct if (fault := part.fault())]
        if self.direct and not faults:
            return "equal", ""
        if self.rules:
            faults = [fault for part in self.explained if (fault := part.fault())]
            if self.explained and not faults:
                return "by rule", ", ".join(self.rules)
        return "failed", "; ".join(faults) or "nothing was compared"


def equal(ours: Any, theirs: Any, rtol: float = RTOL, where: Array | None = None) -> Finding:
    """Ours and theirs agree; no rule."""
    return Finding([Same(ours, theirs, rtol, where)])


Check = Callable[[Any, str], Finding]
