"""Whether positions belong to their patterns: in the recorded orientation, and in the recorded order."""

from collections.abc import Iterator

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.judgement.likeness import ALIKE, likeness
from ptycho_torch.judgement.lines import reverse_lines
from ptycho_torch.judgement.noise import noise_misfit
from ptycho_torch.judgement.trial import (
    ORIENTATIONS,
    Part,
    choose_part,
    flat_misfit,
    held_back_misfit,
    mean_misfit,
    turn,
)
from ptycho_torch.judgement.turned import ANGLES, PATTERNS, rotate_positions, turn_patterns
from ptycho_torch.records import Dataset
from ptycho_torch.verdict import Evidence

RECORDED = "as recorded"
# Names of evidence.
ORIENTATION, LAG, SCALE, ORDER, ROTATION = OF_POSITIONS = "orientation", "lag", "scale", "order", "rotation"
# Factors of positions, in both axes or in one; the outer ones are only compared with, as far positions let each
# pattern fit by itself.
SCALES = tuple(2 ** (step / 2) for step in range(-5, 4))
AXES = {"": (1, 1), " in y": (1, 0), " in x": (0, 1)}
MOST_LAG = 4
LINES = "every second line reversed"
ROTATED, TURNED = "rotated by ", "patterns with "
# A difference of means over patterns counts from so many standard errors on, and as this share of what the object
# explains at all.
SIGNIFICANT, SUBSTANTIAL = 5.0, 0.1
MIN_PATTERNS = 25
# A minimum over scales is lower than its neighbours, and the right order better than another one, by so many standard
# errors.
MINIMUM = 3.0
# Patterns differ from that of a flat object by so many times what noise gives.
VISIBLE = 1.05
# They differ from each other by this share of what they differ from that of a flat object.
VARIED = 0.2
# Positions that leave no more of the misfit of a flat object, apart from noise, are not compared with other orders and
# scales.
EXPLAINS = 0.15
# More patterns at one place have less noise: nearer positions fit better by this share of it whatever is right.
AVERAGED = 0.25
# With a probe whose pattern differs by more of the intensity a trial shows nothing of the order.
STRANGE = 0.3


@attrs.frozen
class Trials:
    """The misfit at held-back pixels of short reconstructions, as a share of the intensity there.

    misfit: by hypothesis; flat: of a flat object; better: by how many standard errors the recorded positions are worse
    than each hypothesis; explains: the same for the flat object against the recorded positions; alike: how much
    patterns resemble those at the nearest positions, None where nothing shows it; ordered: by how many standard errors
    the recorded positions are better than those in an order by chance, None where noise alone would hide it, or where
    patterns are nearly the same everywhere, as of a wedge.
    """

    misfit: dict[str, float]
    flat: float
    better: dict[str, float]
    explains: float
    alike: float | None = None
    ordered: float | None = None

    @property
    def winner(self) -> str:
        """The hypothesis that is clearly better than the recorded positions; those where none is."""
        best = min(self.misfit, key=self.misfit.__getitem__)
        gain = self.misfit[RECORDED] - self.misfit[best]
        clear = self.better[best] > SIGNIFICANT and gain > SUBSTANTIAL * (self.flat - self.misfit[best]) > 0
        return best if clear else RECORDED

    @property
    def explained(self) -> float:
        """The share of the misfit of a flat object that the recorded positions explain."""
        return 1 - self.misfit[RECORDED] / self.flat if self.flat > 0 else 0.0

    @property
    def unordered(self) -> bool:
        """Whether the positions are no better than in any other order."""
        if self.alike is None or self.ordered is None or self.winner != RECORDED or self.flat > STRANGE:
            return False
        return self.ordered < MINIMUM


def position_trials(dataset: Dataset, seed: int = 0, *, probe_fits: bool = True) -> Trials | None:
    """Short reconstructions of a part of a scan with its positions in eight orientations, a few patterns off, rotated,
    with lines reversed, and at other scales, and with its patterns turned against probe and positions.

    dataset: the scan, without patterns that do not measure; seed: of the part; probe_fits: False for a probe that is
    far from the true one, with which only orientations are compared. None for too few patterns.
    """
    if len(dataset.position_yx) < MIN_PATTERNS:
        return None
    part, place = choose_part(dataset, np.random.default_rng(seed)), dataset.position_yx
    mine, by_chance = place[part.rows], np.random.default_rng(seed).permutation(place[part.rows])
    with torch.inference_mode():
        misfit = {name: held_back_misfit(part, turn(place, name)[part.rows]) for name in ORIENTATIONS}
        flat, shuffled = flat_misfit(part), held_back_misfit(part, by_chance)
        noise = _noise(part)
        best = min(float(one.mean()) for one in misfit.values())
        if probe_fits and best - noise > EXPLAINS * (float(flat.mean()) - noise):
            others = _other_orders(place).items()
            misfit |= {name: held_back_misfit(part, one[part.rows]) for name, one in others}
            misfit |= _other_scale(part, mine, misfit[RECORDED], noise)
            misfit |= {f"{TURNED}{name}": held_back_misfit(turn_patterns(part, name), mine) for name in PATTERNS}
        visible = float(flat.mean()) > VISIBLE * noise
        varied = float(mean_misfit(part).mean()) > VARIED * float(flat.mean())
        total = float((part.amplitude.square() * part.held).sum((1, 2)).mean())
    own = misfit[RECORDED]
    return Trials(
        {name: float(one.mean()) / total for name, one in misfit.items()},
        float(flat.mean()) / total,
        {name: standard_errors(own - one) for name, one in misfit.items()},
        standard_errors(flat - own),
        likeness(part, mine),
        standard_errors(shuffled - own) if visible and varied else None,
    )


def _other_orders(place: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Positions `(n, 2)` a few patterns off, rotated, and with lines reversed, by name."""
    found = {}
    for lag in range(1, MOST_LAG + 1):
        number = "one pattern" if lag == 1 else f"{lag} patterns"
        found[f"{number} later"] = np.roll(place, lag, axis=0)
        found[f"{number} earlier"] = np.roll(place, -lag, axis=0)
    found |= {f"{ROTATED}{angle:+d} degrees": rotate_positions(place, angle) for angle in ANGLES}
    lines = reverse_lines(place)
    return found if lines is None else {**found, LINES: lines}


def _noise(part: Part) -> float:
    """The misfit of noise alone at the held-back pixels of a pattern."""
    photon = part.photon
    mean = part.amplitude.square().mean(0)[part.held].numpy()
    return photon * float(noise_misfit(mean / photon).sum()) if photon else 0.0


def _other_scale(part: Part, place: NDArray[np.float64], own: Tensor, noise: float) -> dict[str, Tensor]:
    """The misfit of the positions `(K, 2)` at other scales by name, where that is a minimum and not their own, and
    lower by more than part of the noise."""
    found = {}
    for axes, power in AXES.items():

        def misfit_at(scale: float, power: tuple[int, int] = power) -> Tensor:
            return held_back_misfit(part, place * np.power(scale, power))

        misfit = {scale: own if scale == 1 else misfit_at(scale) for scale in SCALES[1:-1]}
        best = min(misfit, key=lambda scale: float(misfit[scale].mean()))
        if best == 1 or (best < 1 and float((own - misfit[best]).mean()) < AVERAGED * noise):
            continue
        at = SCALES.index(best)
        sides = [misfit[one] if one in misfit else misfit_at(one) for one in (SCALES[at - 1], SCALES[at + 1])]
        if min(standard_errors(one - misfit[best]) for one in sides) >= MINIMUM:
            found[f"times {best:.2g}{axes}"] = misfit[best]
    return found


def standard_errors(difference: Tensor) -> float:
    """The mean of a difference `(K,)` in units of its standard error, 0 where nothing differs."""
    spread = float(difference.std()) / len(difference) ** 0.5
    return float(difference.mean()) / spread if spread > 0 else 0.0


def trial_evidence(trials: Trials, *, fixed: bool = False) -> Iterator[Evidence]:
    """The evidence of trials; fixed: the positions are turned to the best orientation."""
    if trials.unordered:
        yield _unordered_evidence(trials)
        return
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
    elif winner.startswith("times"):
        text = f"patterns fit the positions {winner}, or the probe is another one: {figures}"
        remedy = "check the unit of positions, energy, distance and size of a detector pixel"
        yield Evidence(name=SCALE, level="wrong", text=text, value=own, remedy=remedy)
    elif winner.startswith(ROTATED):
        text = (
            f"patterns fit better with the positions {winner}, roughly, from x towards y, or the probe is another one"
        )
        remedy = "rotate the positions, or the patterns the other way"
        yield Evidence(name=ROTATION, level="wrong", text=f"{text}: {figures}", value=own, remedy=remedy)
    elif winner.startswith(TURNED):
        text = f"probe and positions fit {winner}: {figures}"
        remedy = f"turn them: ptycho prepare IN OUT turn.{PATTERNS[winner.removeprefix(TURNED)]}=true"
        yield Evidence(name=ORIENTATION, level="wrong", text=text, value=own, remedy=remedy)
    elif winner == LINES:
        text = f"patterns fit the positions with {winner}: {figures}"
        yield Evidence(
            name=ORDER, level="wrong", text=text, value=own, remedy="write positions in the order of patterns"
        )
    else:
        text = f"patterns fit the positions of {winner}: {figures}"
        number = winner.split()[0]
        yield Evidence(
            name=LAG, level="wrong", text=text, value=own, remedy=f"shift positions against patterns by {number}"
        )


def _unordered_evidence(trials: Trials) -> Evidence:
    assert trials.alike is not None
    own = f"(correlation {trials.alike:.2f})"
    if trials.alike < ALIKE:
        text = (
            f"patterns do not resemble those at the nearest positions {own}, and fit positions in any other order as "
            "well: positions are those of other patterns, or the probe is far from the true one"
        )
        remedy = "check the order of positions and patterns"
        return Evidence(name=ORDER, level="wrong", text=text, value=trials.alike, remedy=remedy)
    text = (
        f"patterns resemble those at the nearest positions {own}, but fit positions in any other order as well: "
        "positions are in another unit, or the probe is far from the true one"
    )
    remedy = "check the unit of positions, energy, distance and size of a detector pixel"
    return Evidence(name=SCALE, level="wrong", text=text, value=trials.alike, remedy=remedy)
