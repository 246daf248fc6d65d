"""Patterns that are no measurement: dark, bright, with a spike, or a copy of another one."""

import zlib
from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.judgement.pixels import EXCESS, OFFSET_PHOTONS, neighbour_level
from ptycho_torch.records import Patterns
from ptycho_torch.verdict import Evidence, enumeration

Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

# An object may absorb much of the beam, or leave some of it free; these are beyond that.
DARK, BRIGHT = 0.03, 10.0
# The share of the counts of a pattern above which a spike counts.
SPIKE_SHARE = 0.005
# Patterns of fewer counts may be equal by chance.
DISTINCT_COUNTS = 200
_MOST_SPIKED = 200
# More faulty patterns than this share are no accident: the axes may be in another order.
MOST_FAULTY = 0.2


@attrs.frozen(eq=False)
class FrameFaults:
    """Indices of patterns: without the beam, far brighter than others, with a pixel that was hit by something else,
    and equal to an earlier one. totals `(n,)`: the sum of each pattern over its valid pixels."""

    dark: Index
    bright: Index
    spiked: Index
    repeated: Index
    totals: NDArray[np.float64]

    @property
    def any(self) -> Index:
        """All of them, sorted, without the copies where most patterns are copies."""
        parts = [self.dark, self.bright, self.spiked]
        if not self.mostly_repeated:
            parts.append(self.repeated)
        return np.unique(np.concatenate(parts))

    @property
    def mostly_repeated(self) -> bool:
        """Whether half of the patterns are copies, so that leaving them out would not help."""
        return 2 * len(self.repeated) >= len(self.totals)


def frame_faults(patterns: Patterns, photon: float, valid: Mask | None = None, step: int = 256) -> FrameFaults:
    """The faults of patterns `(n, N, N)`, read once, `step` at a time.

    photon: the intensity of one; valid `(N, N)`: the pixels that measure, None for all.
    """
    count, side = len(patterns), patterns.shape[1:]
    totals, sums = np.empty(count), np.empty(count, np.int64)
    first, second, frame = np.zeros(side, np.float32), np.zeros(side, np.float32), np.zeros(side, np.int64)
    for start in range(0, count, step):
        part = patterns[start : start + step]
        if valid is not None:
            part = np.where(valid, part, np.float32(0))
        rows = slice(start, start + len(part))
        totals[rows] = part.sum(axis=(1, 2), dtype=np.float64)
        sums[rows] = [zlib.crc32(np.ascontiguousarray(one).data) for one in part]
        for number, one in enumerate(part, start):
            np.maximum(second, np.minimum(first, one), out=second)
            np.copyto(frame, number, where=one > first)
            np.maximum(first, one, out=first)
    median = float(np.median(totals[totals > 0])) if (totals > 0).any() else 0.0
    dark = np.flatnonzero(totals < DARK * median)
    bright = np.flatnonzero(totals > BRIGHT * median)
    spiked = _spikes(patterns, photon, valid, totals, (first, second, frame))
    distinct = totals > DISTINCT_COUNTS * photon
    keys = np.where(distinct, sums, -1 - np.arange(count))
    _, originals = np.unique(keys, return_index=True)
    repeated = np.setdiff1d(np.arange(count), originals)
    spiked = np.setdiff1d(spiked, np.concatenate([dark, bright]))
    return FrameFaults(dark, bright, spiked, repeated, totals)


def _spikes(
    patterns: Patterns,
    photon: float,
    valid: Mask | None,
    totals: NDArray[np.float64],
    extremes: tuple[NDArray[np.float32], NDArray[np.float32], Index],
) -> Index:
    """Patterns with a pixel far above its neighbours, and far above what it has in any other pattern."""
    first, second, frame = extremes
    offset = OFFSET_PHOTONS * photon
    far = (first + offset > EXCESS * (second + offset)) & (first > SPIKE_SHARE * totals[frame])
    found = []
    for one in np.unique(frame[far])[:_MOST_SPIKED].tolist():
        pattern = patterns[one : one + 1][0]
        if valid is not None:
            pattern = np.where(valid, pattern, np.float32(0))
        alone = pattern + offset > EXCESS * (neighbour_level(pattern) + offset)
        if (alone & far & (frame == one)).any():
            found.append(one)
    return np.array(found, np.int64)


def frame_evidence(faults: FrameFaults) -> Iterator[Evidence]:
    """The evidence of faults of patterns."""
    count = len(faults.totals)
    if faults.mostly_repeated:
        text = f"{len(faults.repeated)} of {count} patterns are copies of others"
        yield Evidence(
            name="copies", level="wrong", text=text, value=len(faults.repeated), remedy="read the scan again"
        )
    kinds = {
        "dark patterns": (faults.dark, f"have less than {100 * DARK:.0f} % of the usual counts"),
        "bright patterns": (faults.bright, f"have over {BRIGHT:.0f} times the usual counts"),
        "spikes": (faults.spiked, "have a pixel far above its neighbours and above all other patterns"),
        "copies": (() if faults.mostly_repeated else faults.repeated, "are copies of earlier ones"),
    }
    for name, (rows, text) in kinds.items():
        if len(rows):
            frames = tuple(int(one) for one in rows)
            yield Evidence(
                name=name,
                level="wrong" if len(frames) > MOST_FAULTY * count else "doubtful",
                value=len(frames),
                frames=frames,
                text=f"{len(frames)} of {count} patterns {text} and are left out: {enumeration(frames)}",
                remedy="look at shutter, beam and detector at these patterns",
            )
