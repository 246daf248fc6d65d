"""Refinement of an object from few photons: the likelihood of the counts, and a network that knows objects.

How strongly the denoiser acts is decided by pixels that no step has seen.
"""

from collections.abc import Callable

import attrs
import torch

from ptycho_torch.output.choice_records import PhotonsRecord
from ptycho_torch.reconstruction.denoised_ascent import (
    LEVEL_PASSES,
    DenoisedAscent,
    Progress,
    photon_levels,
    photons_per_pixel,
)
from ptycho_torch.records import Refined, Scan

# Strengths of the denoiser, in units of the noise of a step, tried from the middle one on, and the passes of a trial.
STRENGTHS, MIDDLE = (0.0, 0.25, 0.35, 0.5, 0.7), 2
TRIAL_PASSES = 12
# With the judgement after the last pass of each trial; four at most.
TRIALS = 4 * (TRIAL_PASSES + 1)
# Of the last level, at most.
MOST_PASSES = 120


def most_passes(scan: Scan, passes: int) -> int:
    """The number of passes of a refinement of `scan` from few photons, with its trials, at most; passes: at its last
    level."""
    return TRIALS + (LEVEL_PASSES + 1) * (len(photon_levels(photons_per_pixel(scan))) - 1) + passes


def refine_few_photons(
    start: Refined,
    passes: int,
    *,
    seed: int,
    device: torch.device,
    probe_too: bool = False,
    progress: Progress = lambda _: None,
) -> tuple[Refined, PhotonsRecord]:
    """The object from the smooth part of that of `start`, through levels of photons until it settles, and the choice of
    the denoiser's strength; passes: of the last level, at most.

    seed: of the pixels that are held back in the trials; device computes; progress is called with the number of
    patterns of each finished batch, at most `most_passes` times all. probe_too: improve the probe at the last level;
    positions, flux and background stay as the scan has them; pixels without illumination have the smooth part. Raises
    ValueError where a patch leaves the object.
    """
    per_pixel = photons_per_pixel(start.scan)
    with torch.inference_mode():
        work = DenoisedAscent(start, seed, device, progress)
        climbed = work.climb(STRENGTHS[MIDDLE])
        trials = _try_strengths(
            lambda strength: work.run(TRIAL_PASSES, strength, after=climbed, hold_back=True).unlikely
        )
        best = min(trials, key=trials.__getitem__)
        found = work.run(passes, best, after=climbed, hold_back=False, settle=True, probe_too=probe_too)
    record = PhotonsRecord(
        per_pixel=round(per_pixel, 1),
        denoiser_strength=best,
        unlikely={f"{strength:g}": round(unlikely, 6) for strength, unlikely in trials.items()},
    )
    history = start.history + found.history
    scan = attrs.evolve(start.scan, probe=found.probe.cpu().clone())
    return attrs.evolve(start, object=found.object.cpu().clone(), scan=scan, history=history), record


def held_back_unlikelihood(start: Refined, *, seed: int, device: torch.device) -> float:
    """The negative log-likelihood of all held-back pixels after the passes of a trial from `start`, with the denoiser
    at its middle strength; seed: of these pixels; device: computes."""
    with torch.inference_mode():
        work = DenoisedAscent(start, seed, device, lambda _: None)
        return work.run(TRIAL_PASSES, STRENGTHS[MIDDLE], hold_back=True).unlikely * len(start.scan.centre_yx)


def _try_strengths(unlikely: Callable[[float], float]) -> dict[float, float]:
    """Negative log-likelihoods of held-back pixels, by strength: from the middle one on, as far as they fall."""
    tried: dict[float, float] = {}
    for strengths in (STRENGTHS[MIDDLE:], STRENGTHS[MIDDLE::-1]):
        for strength in strengths:
            if strength not in tried:
                tried[strength] = unlikely(strength)
            if tried[strength] > min(tried.values()):
                break
    return tried
