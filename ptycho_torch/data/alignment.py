"""Scans with a few positions more than patterns, or fewer: aligned by what the patterns show."""

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.checks import number_error, numbers, undecided_error
from ptycho_torch.data.patterns import StoredPatterns
from ptycho_torch.data.raw import RawScan
from ptycho_torch.judgement.alignment import find_starts
from ptycho_torch.judgement.scan import find_pixel_faults
from ptycho_torch.records import Dataset


@attrs.frozen
class Aligned:
    """The positions and the patterns of a scan that belong together, as many of both; remark: on what is left out."""

    positions: slice
    patterns: slice
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
    extra = abs(positions - count)
    # Of surplus patterns those that have a position whichever are too many.
    rows = np.arange(count) if positions > count else np.arange(extra, count - extra)
    measuring = ~find_pixel_faults(patterns, probe, patterns.valid_pixels).any
    if patterns.valid_pixels is not None:
        measuring &= patterns.valid_pixels
    whole = Dataset(scan.path.name, patterns, np.zeros((count, 2)), probe, valid_pixels=measuring)
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
