"""Which positions belong to the patterns, where there are more of them than patterns."""

from collections.abc import Iterable

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.judgement.orientation import MIN_PATTERNS, SUBSTANTIAL, standard_errors
from ptycho_torch.judgement.positions import position_spikes
from ptycho_torch.judgement.trial import choose_part, flat_misfit, held_back_misfit
from ptycho_torch.records import Dataset

# With more surplus positions only the first and the last of them are left out.
MOST_STARTS = 8
# In standard errors, in both halves: by chance one of nine is so much better in both less than once in 10,000 scans.
CLEAR = 3.0


def find_starts(dataset: Dataset, position_yx: NDArray[np.float64], seed: int = 0) -> tuple[int | None, int | None]:
    """The numbers of the positions at which the first, and the last, of the patterns of a scan begin.

    dataset: n patterns, whose own positions are not used; position_yx `(n + k, 2)` px: pattern j belongs to position
    `j + s` with s from 0 to k, found by short reconstructions of a part of the first and of the last half of the scan;
    seed: of the parts. None where no s is clearly better than every other one.
    """
    count = len(dataset.intensity)
    surplus = len(position_yx) - count
    starts = range(surplus + 1) if surplus <= MOST_STARTS else (0, surplus)
    # A position far from all others would make the object of a trial huge.
    apart = position_spikes(position_yx, dataset.probe.shape[-1])
    rows = np.setdiff1d(np.arange(count), [spike - start for spike in apart for start in starts])
    halves = np.array_split(rows, 2) if len(rows) >= 2 * MIN_PATTERNS else [rows] * 2
    first, last = (_find_start(dataset, position_yx, starts, half, seed) for half in halves)
    return first, last


def first_of_line_is_surplus(dataset: Dataset, position_yx: NDArray[np.float64], lines: int) -> bool | None:
    """Whether the first pattern of each line, and not the last one, has no position; None where nothing shows it.

    dataset: `n + lines` patterns, whose own positions are not used; position_yx `(n, 2)` px, in so many equal lines.
    """
    frames = np.arange(len(dataset.intensity)).reshape(lines, -1)
    misfit, flat = {}, {}
    for first, kept in ((True, frames[:, 1:]), (False, frames[:, :-1])):
        placed = attrs.evolve(dataset.select(kept.ravel()), position_yx=position_yx)
        part = choose_part(placed, np.random.default_rng(0))
        with torch.inference_mode():
            misfit[first], flat[first] = held_back_misfit(part, position_yx[part.rows]), flat_misfit(part)
    better = float(misfit[True].mean()) < float(misfit[False].mean())
    own, other = misfit[better], misfit[not better]
    room = SUBSTANTIAL * float((flat[better] - own).mean())
    clear = standard_errors(other - own) > CLEAR and float((other - own).mean()) > room > 0
    return better if clear else None


def _find_start(
    dataset: Dataset, position_yx: NDArray[np.float64], starts: Iterable[int], rows: NDArray[np.int64], seed: int
) -> int | None:
    placed = attrs.evolve(dataset.select(rows), position_yx=position_yx[rows])
    part = choose_part(placed, np.random.default_rng(seed))
    with torch.inference_mode():
        misfit = {start: held_back_misfit(part, position_yx[rows[part.rows] + start]) for start in starts}
        flat = float(flat_misfit(part).mean())
    best = min(misfit, key=lambda start: float(misfit[start].mean()))
    own = misfit[best]
    room = SUBSTANTIAL * (flat - float(own.mean()))

    def worse(other: Tensor) -> bool:
        return standard_errors(other - own) > CLEAR and float((other - own).mean()) > room > 0

    return best if all(worse(other) for start, other in misfit.items() if start != best) else None
