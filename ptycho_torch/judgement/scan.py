"""All evidence from a scan alone."""

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_torch.judgement.beam import (
    BEAM,
    HIDDEN,
    NO_TRIALS,
    PROBE,
    are_squares,
    beam_evidence,
    hidden_evidence,
    size_evidence,
)
from ptycho_torch.judgement.frames import FrameFaults, frame_evidence, frame_faults
from ptycho_torch.judgement.orientation import OF_POSITIONS, RECORDED, Trials, position_trials, trial_evidence
from ptycho_torch.judgement.pixels import PixelFaults, photon_unit, pixel_evidence, pixel_faults
from ptycho_torch.judgement.positions import overlap_evidence, position_evidence, position_spikes
from ptycho_torch.judgement.trial import ORIENTATIONS, turn
from ptycho_torch.physics.diffraction import far_field, mode_sum_intensity
from ptycho_torch.records import Dataset, Patterns
from ptycho_torch.verdict import Evidence

SAMPLE = 256
Mask = NDArray[np.bool_]


@attrs.frozen(eq=False)
class Judged:
    """A scan without the patterns that do not measure, and the evidence for and against it.

    rows: the patterns that were kept, int64, None for all; trials: of other positions, None for too few patterns.
    """

    dataset: Dataset
    evidence: tuple[Evidence, ...]
    rows: NDArray[np.int64] | None
    trials: Trials | None

    @property
    def orientation(self) -> str:
        """The orientation in which the positions fit the patterns."""
        winner = RECORDED if self.trials is None else self.trials.winner
        return winner if winner in ORIENTATIONS else RECORDED


def flat_pattern(probe: NDArray[np.complex64]) -> NDArray[np.float64]:
    """The intensity `(N, N)`, zero frequency at `[N/2, N/2]`, that a probe `(P, N, N)` gives without an object."""
    return np.fft.fftshift(mode_sum_intensity(far_field(torch.from_numpy(probe))).numpy()).astype(np.float64)


def sample_of(patterns: Patterns) -> NDArray[np.float32]:
    """Up to 256 patterns spread over a scan."""
    count = len(patterns)
    return patterns[np.unique(np.linspace(0, count - 1, min(SAMPLE, count)).astype(np.int64))]


def find_pixel_faults(patterns: Patterns, probe: NDArray[np.complex64] | None, valid: Mask | None) -> PixelFaults:
    """The pixels `(N, N)` of patterns `(n, N, N)`, as stored, that do not measure.

    probe `(P, N, N)`, None where it is not known; valid `(N, N)`: the pixels that the file does not mark.
    """
    flat = np.ones(patterns.shape[1:]) if probe is None else flat_pattern(probe)
    return pixel_faults(sample_of(patterns), flat, valid)


def judge_scan(dataset: Dataset, *, fix_orientation: bool = False) -> Judged:
    """Leave out the patterns that do not measure, and find the evidence.

    dataset: the scan. fix_orientation: turn its positions to the orientation that fits the patterns.
    """
    valid, sample, flat = dataset.valid_pixels, sample_of(dataset.intensity), flat_pattern(dataset.probe)
    faults = pixel_faults(sample, flat, valid)
    evidence = list(pixel_evidence(faults, masked=False))
    measuring = ~(faults.fill | faults.dead | faults.hot)
    if valid is not None:
        measuring &= valid
    photon, _ = photon_unit(np.where(measuring, sample, 0))
    frames = frame_faults(dataset.intensity, photon, measuring)
    spikes = position_spikes(dataset.position_yx, dataset.probe.shape[-1])
    evidence += frame_evidence(frames)
    evidence += position_evidence(dataset.position_yx, spikes, dataset.probe.shape[-1])
    rows = _kept_rows(frames, spikes)
    kept = dataset if rows is None else dataset.select(rows)
    mean = np.where(measuring, sample_of(kept.intensity).mean(axis=0, dtype=np.float64), 0)
    hidden = list(hidden_evidence(mean, flat, measuring))
    evidence += hidden
    broken = bool(faults.wrapped.any() or hidden)
    beam = [] if broken else _beam(dataset, mean, flat, sample, measuring)
    if dataset.probe_known and not (broken or BEAM in {one.name for one in beam}):
        beam += size_evidence(mean, flat, measuring)
    evidence += beam
    # Where the beam is elsewhere, its middle not measured, or the probe not known, trials compare nothing.
    names = {one.name for one in beam}
    unknown = broken or frames.mostly_repeated or not dataset.probe_known or bool(names & set(NO_TRIALS))
    placed = attrs.evolve(kept, valid_pixels=measuring)
    trials = None if unknown else position_trials(placed, probe_fits=PROBE not in names)
    judged = Judged(kept, (), rows, trials)
    turned = fix_orientation and judged.orientation != RECORDED
    evidence += () if trials is None else trial_evidence(trials, fixed=turned)
    if dataset.probe_known and not any(one.name in OF_POSITIONS and one.level == "wrong" for one in evidence):
        evidence += overlap_evidence(kept.position_yx, dataset.probe)
    if turned:
        kept = attrs.evolve(kept, position_yx=turn(kept.position_yx, judged.orientation))
    return attrs.evolve(judged, dataset=kept, evidence=tuple(evidence))


def _beam(
    dataset: Dataset, mean: NDArray[np.float64], flat: NDArray[np.float64], sample: NDArray[np.float32], measuring: Mask
) -> list[Evidence]:
    """The evidence of the mean pattern and of the pattern of the probe, `(N, N)`."""
    _, whole = photon_unit(np.where(measuring, sample, 0))
    squares = are_squares(sample[:, measuring])
    shown = np.where(measuring, flat, 0)
    found = list(beam_evidence(mean, shown, whole=whole, squared=dataset.squared, squares=squares))
    # A probe that is not known has the power and the pattern of the mean one.
    return found if dataset.probe_known else [one for one in found if one.name == BEAM]


def judge_with_probe(judged: Judged, dataset: Dataset) -> Judged:
    """The evidence about a scan that was `judged` with the probe of its file, once more with that of `dataset`, the
    same scan with a probe that was found; the evidence about single patterns stays, and what the probe of the file
    says of the positions where that fits better: a beam with much astigmatism hides that axes are exchanged."""
    again = judge_scan(dataset)
    before, after, found = judged.trials, again.trials, again.evidence
    kept = [one for one in judged.evidence if one.frames]
    # A found probe has no light where nothing was measured.
    if not any(one.name == HIDDEN for one in found):
        kept += [one for one in judged.evidence if one.name == HIDDEN]
    displaced = [one for one in judged.evidence if one.name in OF_POSITIONS and one.level == "wrong"]
    if displaced and before and (after is None or before.misfit[before.winner] < after.misfit[RECORDED]):
        found = tuple(one for one in found if one.name not in OF_POSITIONS)
        kept += displaced
    return attrs.evolve(judged, evidence=(*kept, *found), trials=again.trials)


def _kept_rows(frames: FrameFaults, spikes: NDArray[np.int64]) -> NDArray[np.int64] | None:
    out = np.union1d(frames.any, spikes)
    every = np.arange(len(frames.totals))
    # A scan of which most is faulty is left as it is, for the evidence to name.
    return None if not len(out) or 2 * len(out) > len(every) else np.setdiff1d(every, out)
