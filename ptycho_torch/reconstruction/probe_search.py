"""The search for a probe that a file does not have, or has wrong.

1. Starts are compared: the probe of the file, and the pupil of the mean pattern with defocus of both signs and with
   astigmatism. Each is given a few joint passes on a hundred neighbouring patterns; pixels that no pass saw judge.
2. The best start is improved in joint passes over more patterns, until the held-back pixels gain no more.
3. A probe is judged with an object that is fitted to it, by the held-back pixels.
"""

import math

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.physics.pupil import Aberration, defocus_phases, pupil_probe
from ptycho_torch.reconstruction.joint_updates import KNOWN_PROBE, RETRIEVAL, START, JointUpdates
from ptycho_torch.reconstruction.pattern_sample import (
    PatternSample,
    PatternSummary,
    pattern_sample,
    summarise,
    telling_rows,
)
from ptycho_torch.records import Scan

JUDGED, RETRIEVED = 100, 225
JUDGING_PASSES, STARTING_PASSES, ROUND_PASSES, ROUNDS = 6, 4, 8, 10
GAIN = 0.95
STEP_RAD, HALVINGS = 3.0, 2
FARTHEST = 1 / 3
# The part of the differences between patterns that a useful probe leaves unexplained after a few passes, at most.
UNEXPLAINED = 0.25
HALF = 0.5
# A scan that is wrong elsewhere (axes, positions) has a probe that fits it better than the right one, but never well.
CLEARLY_BETTER = 0.7


@attrs.frozen(eq=False)
class FoundProbe:
    """A probe `(P, N, N)` in the units of the scan; start: what the search began with, for people; misfit: of held-back
    pixels with an object fitted to the probe."""

    probe: Tensor
    start: str
    misfit: float


class ProbeSearch:
    """The search on one scan; rng draws held-back pixels and orders, device computes."""

    def __init__(self, scan: Scan, rng: np.random.Generator, device: torch.device) -> None:
        self.scan, self.rng, self.device = scan, rng, device
        # All probes are compared in the same order of the patterns, so that chance does not decide.
        self.seed = int(rng.integers(2**31))
        self.summary: PatternSummary = summarise(scan)
        self.sample = self._sample(JUDGED)

    def misfit(self, probe: Tensor) -> float:
        """The misfit of the held-back pixels after an object was fitted with the probe as it is."""
        fit = self._fit(self.sample, probe)
        fit.run(JUDGING_PASSES, KNOWN_PROBE)
        return fit.held_back_misfit()

    def explains(self, misfit: float) -> bool:
        """Whether a misfit leaves less than a quarter of the differences between the patterns, apart from noise."""
        return self.sample.unexplained(misfit) < UNEXPLAINED

    def replaces(self, found: FoundProbe, misfit: float) -> bool:
        """Whether a found probe replaces one with this misfit: its own is clearly lower, and it leaves less than half
        of the differences unexplained, unless most of them are noise."""
        possible = self.sample.unexplained(found.misfit) < HALF or self.sample.noise > HALF * self.sample.spread
        return possible and found.misfit < CLEARLY_BETTER * misfit

    def run(self, given: Tensor | None) -> FoundProbe:
        """The retrieved probe; given `(P, N, N)` is one of the starts, None where there is none."""
        start, probe = self._best_start(given)
        retrieved = self._retrieve(probe)
        return FoundProbe(retrieved.cpu(), start, self.misfit(retrieved))

    def _sample(self, number: int) -> PatternSample:
        rows = telling_rows(self.scan, self.summary, number)
        return pattern_sample(self.scan, rows, self.rng, self.device)

    def _fit(self, sample: PatternSample, probe: Tensor) -> JointUpdates:
        return JointUpdates(sample, probe, np.random.default_rng(self.seed))

    def _best_start(self, given: Tensor | None) -> tuple[str, Tensor]:
        mean, side = self.summary.mean, self.scan.probe.shape[-1]
        phases = defocus_phases(mean, FARTHEST * side, STEP_RAD)
        misfits = {Aberration(phase): self._joint(pupil_probe(mean, Aberration(phase))) for phase in phases}
        for halving in range(HALVINGS + 1):
            step = STEP_RAD / 2**halving
            # At the first step the neighbours in defocus were compared already.
            for axis in Aberration._fields:
                best = min(misfits, key=misfits.__getitem__)
                for sign in (-1, 1):
                    near = best._replace(**{axis: getattr(best, axis) + sign * step})
                    if near not in misfits:
                        misfits[near] = self._joint(pupil_probe(mean, near))
        best = min(misfits, key=misfits.__getitem__)
        if given is not None and self._joint(given) < misfits[best]:
            return "the probe of the file", given
        return f"the mean pattern with {_in_words(best)}", pupil_probe(mean, best)

    def _joint(self, probe: Tensor) -> float:
        fit = self._fit(self.sample, probe)
        fit.run(STARTING_PASSES, START)
        return fit.held_back_misfit()

    def _retrieve(self, probe: Tensor) -> Tensor:
        fit = self._fit(self._sample(RETRIEVED), probe)
        noise, before = fit.sample.noise, float("inf")
        for _ in range(ROUNDS):
            fit.run(ROUND_PASSES, RETRIEVAL)
            if (after := fit.held_back_misfit() - noise) > GAIN * before:
                break
            before = after
        return fit.probe


def _in_words(aberration: Aberration) -> str:
    astigmatism = math.hypot(aberration.upright, aberration.oblique)
    more = f" and {astigmatism:.2g} rad of astigmatism" if astigmatism else ""
    return f"{aberration.defocus:+.2g} rad of defocus{more} at its rms frequency"
