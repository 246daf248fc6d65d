"""Whether the parts of an opened scan fit together."""

import numpy as np

from ptycho_torch.data.masks import check_mask
from ptycho_torch.data.raw import MOST_SIDE_PX, RawScan
from ptycho_torch.errors import DataError
from ptycho_torch.judgement.lines import equal_lines
from ptycho_torch.judgement.orientation import MIN_PATTERNS

NO_PROBE = (
    "`ptycho infer` and `ptycho refine` find one with torch.refine.unknown=auto, a training needs one: add a complex "
    "dataset `probe` (N, N) or (modes, N, N) to the HDF5 file, or "
    "save the scan as NPZ with probeGuess"
)
# More than this share of the scan is no surplus.
MOST_SURPLUS = 0.1


def check_scan(scan: RawScan, *, probe_needed: bool = True) -> RawScan:
    """The scan, if its parts fit together; it may lack a probe where probe_needed is False, and have a few positions
    more or fewer than patterns, for `align`. Raises DataError, without reading a pattern."""
    name = str(scan.path)
    if scan.refusal is not None:
        raise scan.refusal
    height, width = scan.frame
    if scan.count == 0:
        raise DataError(name, f"{scan.key} holds no patterns, its shape is {scan.patterns.shape}")
    if height != width:
        hint = "crop them: ptycho prepare IN OUT centre crop.side_px=N"
        raise DataError(name, f"patterns must be square, {scan.key} has {height} x {width} pixels", hint)
    if height > MOST_SIDE_PX:
        raise DataError(
            name, f"{scan.key} has patterns of {height} x {width}", f"crop them to {MOST_SIDE_PX} px at most"
        )
    _check_alignable(scan)
    if scan.probe is None and probe_needed:
        raise DataError(name, f"has no {scan.probe_key}", NO_PROBE)
    if scan.probe is not None and scan.probe.shape[-2:] != (height, width):
        rows, columns = scan.probe.shape[-2:]
        raise DataError(name, f"{scan.probe_key} has {rows} x {columns} pixels, the patterns {height} x {width}")
    if scan.valid_pixels is not None:
        check_mask(scan.path, scan.mask_key, scan.valid_pixels, scan.frame)
    return scan


def _check_alignable(scan: RawScan) -> None:
    patterns, positions = scan.count, len(scan.position_yx)
    fewer, more = sorted((patterns, positions))
    if fewer == more:
        return
    if fewer == positions and fewer and more % fewer == 0:
        message = f"either {more // fewer} patterns in a row were taken at each position, or only some have one"
        raise number_error(scan, message)
    if surplus_a_line(scan):
        return
    if more - fewer > most_surplus(fewer):
        raise number_error(scan, "each pattern needs one")
    if scan.probe is None or fewer - (more - fewer) < MIN_PATTERNS:
        raise undecided_error(scan)


def most_surplus(fewer: int) -> float:
    """The most positions, or patterns, that a scan with so many of the others may have too many."""
    return max(1, MOST_SURPLUS * fewer)


def surplus_a_line(scan: RawScan) -> int | None:
    """The number of lines of a scan that has one pattern more than positions in each, as where a stage turns round;
    None for any other."""
    surplus = scan.count - len(scan.position_yx)
    if surplus < 1 or scan.probe is None or len(scan.position_yx) < MIN_PATTERNS:
        return None
    lines = equal_lines(scan.position_yx) if np.isfinite(scan.position_yx).all() else None
    return lines if lines == surplus else None


def numbers(scan: RawScan) -> str:
    """As text, how many positions and patterns a scan has."""
    return f"{len(scan.position_yx)} positions for {scan.count} patterns"


def number_error(scan: RawScan, message: str) -> DataError:
    """The error for a scan whose numbers of positions and patterns do not fit together, with a message why."""
    return DataError(str(scan.path), f"{numbers(scan)}: {message}", "store as many positions as patterns")


def undecided_error(scan: RawScan) -> DataError:
    """The error for a scan that does not show which positions, or patterns, are too many."""
    surplus = len(scan.position_yx) - scan.count
    kind, other = ("positions", "pattern") if surplus > 0 else ("patterns", "position")
    if surplus_a_line(scan):
        return number_error(
            scan, "either the first or the last pattern of each line has no position, and nothing shows which"
        )
    ends = " or ".join(f"the {end} {abs(surplus)}" for end in ("first", "last"))
    return number_error(scan, f"either {ends} {kind} have no {other}, and nothing shows which")
