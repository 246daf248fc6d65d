"""Whether positions belong to their patterns: in the recorded orientation, and in the recorded order."""

from collections.abc import Iterator

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.judgement.trial import ORIENTATIONS, choose_part, flat_misfit, held_back_misfit, turn
from ptycho_torch.records import Dataset
from ptycho_torch.verdict import Evidence

RECORDED = "as recorded"
# Names of evidence.
ORIENTATION, LAG = "orientation", "lag"
# A difference of means over patterns counts from so many standard errors on, and as this share of what the object
# explains at all.
SIGNIFICANT, SUBSTANTIAL = 5.0, 0.1
MIN_PATTERNS = 25


@attrs.frozen
class Trials:
    """The misfit at held-back pixels of short reconstructions, as a share of the intensity there.

    misfit: by hypothesis; flat: of a flat object; better: by how many standard errors the recorded positions are worse
    than each hypothesis; explains: the same for the flat object against the recorded positions.
    """

    misfit: dict[str, float]
    flat: float
    better: dict[str, float]
    explains: float

    @property
    def winner(self) -> str:
        """The hypothesis that is clearly better than the recorded positions; those where none is."""
        best = min(self.misfit, key=self.misfit.__getitem__)
        gain = self.misfit[RECORDED] - self.misfit[best]
        clear = self.better[best] > SIGNIFICANT and gain > SUBSTANTIAL * (self.flat - self.misfit[best]) > 0
        return best if clear else RECORDED


def position_trials(dataset: Dataset, seed: int = 0) -> Trials | None:
    """Short reconstructions of a part of a scan with its positions in eight orientations, and one pattern off.

    dataset: the scan, without patterns that do not measure; seed: of the part. None for too few patterns.
    """
    if len(dataset.position_yx) < MIN_PATTERNS:
        return None
    part, place = choose_part(dataset, np.random.default_rng(seed)), dataset.position_yx
    hypotheses = {name: turn(place, name) for name in ORIENTATIONS}
    hypotheses |= {"one pattern later": np.roll(place, 1, axis=0), "one pattern earlier": np.roll(place, -1, axis=0)}
    with torch.inference_mode():
        misfit = {name: held_back_misfit(part, place[part.rows]) for name, place in hypotheses.items()}
        flat = flat_misfit(part)
        total = float((part.amplitude.square() * part.held).sum((1, 2)).mean())
    own = misfit[RECORDED]
    return Trials(
        {name: float(one.mean()) / total for name, one in misfit.items()},
        float(flat.mean()) / total,
        {name: standard_errors(own - one) for name, one in misfit.items()},
        standard_errors(flat - own),
    )


def standard_errors(difference: Tensor) -> float:
    """The mean of a difference `(K,)` in units of its standard error, 0 where nothing differs."""
    spread = float(difference.std()) / len(difference) ** 0.5
    return float(difference.mean()) / spread if spread > 0 else 0.0


def trial_evidence(trials: Trials, *, fixed: bool = False) -> Iterator[Evidence]:
    """The evidence of trials; fixed: the positions are turned to the best orientation."""
    own, winner = trials.misfit[RECORDED], trials.winner
    figures = f"misfit at held-back pixels {trials.misfit[winner]:.3g} instead of {own:.3g}"
    if winner == RECORDED:
        others = min(value for name, value in trials.misfit.items() if name != RECORDED)
        text = f"no other orientation of the positions is clearly better: misfit {own:.3g}, the best other {others:.3g}"
        yield Evidence(name=ORIENTATION, level="sound", text=text, value=own)
    elif winner in ORIENTATIONS:
        text = f"positions fit the patterns with {winner}: {figures}"
        remedy = "" if fixed else "--fix-orientation, torch.data.fix_orientation=true, applies it"
        text = f"{text}; they were turned" if fixed else text
        yield Evidence(name=ORIENTATION, level="sound" if fixed else "wrong", text=text, value=own, remedy=remedy)
    else:
        text = f"patterns fit the positions of {winner}: {figures}"
        yield Evidence(name=LAG, level="wrong", text=text, value=own, remedy="shift positions against patterns by one")
