"""Scans line by line: how many lines they have, and whether every second one runs the other way."""

import numpy as np
from numpy.typing import NDArray

# A return to the start of a line is so many usual steps, a step to the next line at most so many along it; lines are
# equally long within this share.
RETURN, ACROSS, EQUAL = 3.0, 0.6, 0.2
LEAST_LINES, LEAST_LENGTH = 3, 4


def reverse_lines(position_yx: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Positions position_yx `(n, 2)` px in which every second line runs backwards; None where they form no lines."""
    starts = _starts(position_yx)
    if starts is None:
        return None
    turned = position_yx.copy()
    for line in np.split(np.arange(len(turned)), starts)[1::2]:
        turned[line] = turned[line[::-1]]
    return turned


def equal_lines(position_yx: NDArray[np.float64]) -> int | None:
    """The number of lines of positions position_yx `(n, 2)` px that all have as many positions; None for others."""
    starts = _starts(position_yx)
    if starts is None:
        return None
    lengths = np.diff(np.concatenate([[0], starts, [len(position_yx)]]))
    return len(lengths) if len(set(lengths.tolist())) == 1 else None


def _starts(position_yx: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """The first position of each line but the first one."""
    steps = np.diff(position_yx, axis=0)
    if len(steps) < LEAST_LINES * LEAST_LENGTH:
        return None
    fast = steps[:, int(np.argmax(np.median(np.abs(steps), axis=0)))]
    usual = np.median(np.abs(fast))
    ends = np.abs(fast) > RETURN * usual
    if not ends.any():
        # Without returns a line ends where the direction changes, with a step across.
        ends[1:-1] = (np.abs(fast[1:-1]) < ACROSS * usual) & (np.sign(fast[2:]) != np.sign(fast[:-2]))
    starts = np.flatnonzero(ends) + 1
    lengths = np.diff(np.concatenate([[0], starts, [len(position_yx)]]))
    regular = np.abs(lengths - np.median(lengths)) <= EQUAL * np.median(lengths)
    enough = len(lengths) >= LEAST_LINES and np.median(lengths) >= LEAST_LENGTH
    return starts if enough and regular.all() else None
