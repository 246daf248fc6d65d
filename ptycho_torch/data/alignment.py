"""Scans with a few positions more than patterns, or fewer: aligned by what the patterns show."""

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.checks import most_surplus, number_error, numbers, surplus_a_line, undecided_error
from ptycho_torch.data.patterns import StoredPatterns
from ptycho_torch.data.raw import RawScan
from ptycho_torch.judgement.alignment import find_starts, first_of_line_is_surplus
from ptycho_torch.judgement.scan import find_pixel_faults
from ptycho_torch.records import Dataset


@attrs.frozen
class Aligned:
    """The positions and the patterns of a scan that belong together, as many of both, as slices or sorted indices;
    remark: on what is left out."""

    positions: slice
    patterns: slice | NDArray[np.int64]
    remark: str

    def of(self, scan: RawScan) -> RawScan:
        """The scan with these alone."""
        rows = np.arange(scan.count) if scan.rows is None else scan.rows
        position, remarks = scan.position_yx[self.positions], (*scan.remarks, self.remark)
        return attrs.evolve(scan, position_yx=position, rows=rows[self.patterns], remarks=remarks)


def align(scan: RawScan, patterns: StoredPatterns, probe: NDArray[np.complex64]) -> Aligned:
    """The parts of a scan that belong together.

    scan: with a few more positions than patterns, or fewer, see `check_scan`; patterns: its intensities; probe
    `(P, N, N)`. Raises DataError where the patterns do not show which are too many.
    """
    count, positions = scan.count, len(scan.position_yx)
    measuring = ~find_pixel_faults(patterns, probe, patterns.valid_pixels).any
    if patterns.valid_pixels is not None:
        measuring &= patterns.valid_pixels
    whole = Dataset(scan.path.name, patterns, np.zeros((count, 2)), probe, valid_pixels=measuring)
    extra, lines = abs(positions - count), surplus_a_line(scan)
    turned = None if lines is None else _without_turns(scan, whole, lines)
    if turned is not None:
        return turned
    if extra > most_surplus(positions):
        raise undecided_error(scan)
    # Of surplus patterns those that have a position whichever are too many.
    rows = np.arange(count) if positions > count else np.arange(extra, count - extra)
    first, last = find_starts(whole.select(rows), scan.position_yx)
    if first is None or last is None:
        raise undecided_error(scan)
    if first != last:
        lost = "patterns" if positions > count else "positions"
        found = f"the first patterns fit the positions from number {first} on, the last ones those from {last} on"
        raise number_error(scan, f"{found}: {lost} were lost in between")
    before = first if positions > count else extra - first
    kind = "positions" if positions > count else "patterns"
    remark = (
        f"{numbers(scan)}: the first {before} and the last {extra - before} {kind} are not used, as the patterns show"
    )
    some, every = slice(before, before + min(count, positions)), slice(None)
    return Aligned(some, every, remark) if positions > count else Aligned(every, some, remark)


def _without_turns(scan: RawScan, whole: Dataset, lines: int) -> Aligned | None:
    """The scan without one pattern a line, None where nothing shows which."""
    first = first_of_line_is_surplus(whole, scan.position_yx, lines)
    if first is None:
        return None
    frames = np.arange(scan.count).reshape(lines, -1)
    kept = frames[:, 1:] if first else frames[:, :-1]
    place = "first" if first else "last"
    remark = f"{numbers(scan)}: the {place} pattern of each of {lines} lines is not used, as the patterns show"
    return Aligned(slice(None), kept.ravel(), remark)
