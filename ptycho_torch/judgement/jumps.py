"""A jump of the positions in the middle of a scan, as of a stage or a sample that slipped."""

from collections.abc import Iterator

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from scipy.spatial import cKDTree
from torch import Tensor

from ptycho_torch.judgement.orientation import standard_errors
from ptycho_torch.judgement.trial import Placed, cut_part, flat_misfit, held_back_misfit, reconstruct_part
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.windows import add
from ptycho_torch.records import Dataset
from ptycho_torch.verdict import Evidence

JUMP = "jump"
# Patterns on each side of a time, and the number of times at which objects before and after are compared.
NEAR, FEWEST_NEAR, TIMES = 48, 16, 3
PASSES, BATCH = 4, 20
# Both objects are compared where both are lit by this share of their brightest place.
LIT = 0.1
# A jump is longer than this, and its time is looked for in so many steps.
LEAST_PX, STEPS = 1.5, 9
# In standard errors: by chance one of 27 trials is so much better once in 1,000 scans.
CLEAR = 4.0


@attrs.frozen(eq=False)
class Jump:
    """Patterns from number `row` on belong to positions that are moved by (y, x) px; misfit at held-back pixels of
    each pattern with the positions as recorded, so moved, and of a flat object `(K,)`."""

    row: int
    moved_yx: tuple[float, float]
    recorded: Tensor
    moved: Tensor
    flat: Tensor

    @property
    def gain(self) -> float:
        """The part of the misfit of a flat object by which the moved positions are better."""
        return float((self.recorded - self.moved).sum() / self.flat.sum())

    @property
    def is_clear(self) -> bool:
        """Whether they are better by more than chance, and than a flat object."""
        return standard_errors(self.recorded - self.moved) > CLEAR and float((self.flat - self.moved).sum()) > 0


def jump_evidence(dataset: Dataset, by_frame: NDArray[np.float64], seed: int = 0) -> Iterator[Evidence]:
    """The evidence of a jump between two parts of a scan that show the object at different places.

    dataset: the scan with the probe and the positions of a reconstruction; by_frame `(n,)`: the misfit of its patterns,
    which is largest at a jump, where two parts meet; seed: of held-back pixels.
    """
    with torch.inference_mode():
        found = [_jump_at(dataset, row, seed) for row in _worst_times(by_frame)]
    jump = max((one for one in found if one is not None and one.is_clear), key=lambda one: one.gain, default=None)
    if jump is None:
        return
    y, x = jump.moved_yx
    total = float(jump.flat.sum())
    text = (
        f"positions jump: from about pattern {jump.row} on, patterns fit positions moved by {y:.0f}, {x:.0f} px "
        f"(y, x): misfit at held-back pixels {float(jump.moved.sum()) / total:.2g} of that of a flat object instead of "
        f"{float(jump.recorded.sum()) / total:.2g}"
    )
    remedy = "correct the positions from there on, or reconstruct both parts alone"
    yield Evidence(name=JUMP, level="doubtful", text=text, value=float(np.hypot(y, x)), remedy=remedy)


def _worst_times(by_frame: NDArray[np.float64]) -> list[int]:
    """The rows around which consecutive patterns have the largest misfit, apart from each other."""
    around = uniform_filter1d(by_frame, NEAR // 2)
    around[:FEWEST_NEAR] = around[len(around) - FEWEST_NEAR :] = 0
    found: list[int] = []
    while len(found) < TIMES and around.any():
        row = int(around.argmax())
        found.append(row)
        around[max(0, row - NEAR // 2) : row + NEAR // 2] = 0
    return found


def _jump_at(dataset: Dataset, row: int, seed: int) -> Jump | None:
    """The jump at about a row, with the patterns before and after it that lie nearest to each other."""
    place = dataset.position_yx
    before, after = _nearest(place[:row], place[row:]), row + _nearest(place[row:], place[:row])
    rows = np.concatenate([before, after])
    part, mine = cut_part(dataset, rows, np.random.default_rng(seed)), place[rows]
    members = np.split(np.arange(len(rows)), [len(before)])
    first, second = (reconstruct_part(part, mine, one, PASSES, BATCH) for one in members)
    shift = _shift((first, second), members)
    if np.hypot(*shift) < LEAST_PX:
        return None
    moved_px = shift * part.pixel
    starts = np.unique(np.linspace(before[0], after[-1], STEPS + 2).astype(int))[1:-1]

    def misfit(start: int) -> Tensor:
        return held_back_misfit(part, mine + moved_px * (rows >= start)[:, None], PASSES, BATCH)

    trials = {start: misfit(start) for start in starts.tolist()}
    best = min(trials, key=lambda start: float(trials[start].sum()))
    y, x = moved_px.tolist()
    return Jump(best, (y, x), held_back_misfit(part, mine, PASSES, BATCH), trials[best], flat_misfit(part))


def _nearest(place: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.int64]:
    """Sorted indices of those positions that are nearest to other ones."""
    distance, _ = cKDTree(other).query(place)
    return np.sort(np.argsort(distance, kind="stable")[:NEAR])


def _shift(objects: tuple[Placed, Placed], members: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The shift (y, x) px by which the second of two objects of a part is moved to look like the first one; members:
    the patterns of each."""
    illumination = []
    for one, rows in zip(objects, members, strict=True):
        summed = torch.zeros(one.object.shape)
        add(summed, mode_sum_intensity(one.probes[rows]), [one.corners[row] for row in rows.tolist()])
        illumination.append(summed / summed.max())
    both = torch.minimum(*illumination)
    weight = torch.where(both > LIT, both.sqrt(), 0.0)
    shape = [2 * length for length in weight.shape]
    spectra = []
    for one in objects:
        mean = (one.object * weight).sum() / weight.sum().clamp_min(1)
        spectra.append(torch.fft.fft2((one.object - mean) * weight, s=shape))
    alike = torch.fft.ifft2(spectra[0] * spectra[1].conj()).abs().numpy()
    place = np.array(np.unravel_index(int(alike.argmax()), alike.shape))
    half = np.array(shape) // 2
    shift: NDArray[np.float64] = ((place + half) % shape - half).astype(np.float64)
    return shift
