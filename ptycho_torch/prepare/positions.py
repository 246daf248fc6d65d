"""Steps on positions, and on which patterns are kept, in which order."""

from typing import Literal

import attrs
import numpy as np

from ptycho_torch.judgement.trial import turn
from ptycho_torch.prepare.scan import Prepared


def turn_positions(scan: Prepared, orientation: str) -> Prepared:
    """The scan with positions in another orientation, of the names of `judgement.trial.ORIENTATIONS`. An object does
    not fit them any more, and is left out."""
    made = attrs.evolve(scan, position_yx=turn(scan.position_yx, orientation), object=None)
    return made.note(f"positions turned: {orientation}")


def cut_region(scan: Prepared, y_px: tuple[float, float], x_px: tuple[float, float]) -> Prepared:
    """The scan with the patterns whose position lies in y_px and x_px, each from the first up to the second object px.
    Raises DataError where there is none."""
    y, x = scan.position_yx.T
    inside = (y_px[0] <= y) & (y < y_px[1]) & (x_px[0] <= x) & (x < x_px[1])
    (low, high), (left, right) = y_px, x_px
    return scan.keep(np.flatnonzero(inside), f"region y {low:g} to {high:g}, x {left:g} to {right:g} px")


def select_patterns(scan: Prepared, start: int, stop: int | None, every: int) -> Prepared:
    """The scan with one in every so many patterns from number start up to stop. Raises DataError for none."""
    rows = np.arange(len(scan.position_yx))[start:stop:every]
    return scan.keep(rows, f"numbers {start} to {'the end' if stop is None else stop}, every {every}")


def split_scan(scan: Prepared, part: int, parts: int, by: Literal["turns", "order", "y", "x"]) -> Prepared:
    """The scan with one part, counted from 0, of so many parts, by turns, in their order, or in areas along y or x with
    as many patterns. Raises DataError for an empty one."""
    count = len(scan.position_yx)
    order = np.arange(count)
    if by in ("y", "x"):
        order = np.argsort(scan.position_yx[:, "yx".index(by)], kind="stable")
    chosen = order[part::parts] if by == "turns" else np.array_split(order, parts)[part]
    return scan.keep(np.sort(chosen), f"part {part} of {parts}, by {by}")


def shuffle_patterns(scan: Prepared, seed: int) -> Prepared:
    """The scan with patterns and positions in an order drawn by the seed."""
    return scan.keep(np.random.default_rng(seed).permutation(len(scan.position_yx)), f"shuffled with seed {seed}")
