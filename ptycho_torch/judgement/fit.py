"""Evidence from a reconstruction: where its misfit lies, and what noise alone would give."""

from collections.abc import Iterable, Iterator

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_torch.judgement.consecutive import ResidualProducts, shared_noise_evidence
from ptycho_torch.judgement.jumps import jump_evidence
from ptycho_torch.judgement.noise import noise_misfit
from ptycho_torch.judgement.orientation import SIGNIFICANT, Trials
from ptycho_torch.judgement.places import moved_misfit
from ptycho_torch.judgement.scan import Judged
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import diffraction_intensity, far_field, mode_sum_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.records import Canvas, Dataset, Scan
from ptycho_torch.verdict import Evidence, Level, Verdict, enumeration, judge

CHUNK_PIXELS = 2**18
# The share of pixels and the share of the misfit that they may carry.
WORST_PIXELS, CARRIED = 0.01, 0.5
WORST_FRAME = 15.0
# The smallest value of a pattern is so many photons: a pattern without dark pixels may have none of one.
SMALLEST_PHOTONS = (1, 2, 3, 4)
# A pixel counts from so many photons a pattern on, in the mean over so many patterns.
COUNTING, SAMPLE = 0.1, 64
# Patterns that are worse leave so much of the misfit of a flat object.
WORST_OF_FLAT = 0.1
# The misfit of these pixels is at least this share of what noise gives, and of what the object explains.
OF_NOISE, OF_OBJECT = 0.5, 0.1
# A reconstruction explains at least so much of what an object can explain; and of what a short one of a part explained.
EXPLAINED = 0.5
AS_SHORT, FAR_LESS = 0.5, 0.2
# One that fits worse than a flat object by more than this explains nothing; and R is near that of noise up to here.
WORSE, NEAR_NOISE = 1.1, 1.5
# Patterns fit their own places so much better than others, unless next to nothing of them is left to explain.
AT_HOME, NEARLY_ALL = 1.1, 0.97


@attrs.frozen(eq=False)
class Fit:
    """Sums of `(sqrt I - sqrt M)^2`: by_pixel `(N, N)`, zero frequency in the middle, less what noise gives, and
    by_frame `(n,)` as shares of the intensity of the pattern, or of the median one where that has more; R, flat, noise:
    in all, of the object, a flat one, and of Poisson noise alone; moved: the misfit of patterns at other places over
    that at their own; excess `(n,)`: by pattern, less what noise gives, at the pixels that count photons and not only
    one now and then, as shares of the intensity of all patterns; shared `(n - 2,)`: of `ResidualProducts` there."""

    by_pixel: NDArray[np.float64]
    by_frame: NDArray[np.float64]
    R: float
    flat: float
    noise: float
    moved: float
    excess: NDArray[np.float64]
    shared: NDArray[np.float64]

    @property
    def explained(self) -> float:
        """The part that the object explains of what an object can explain: not the noise."""
        room = self.flat - self.noise
        return float(np.clip((self.flat - self.R) / room, -1, 1)) if room > 0 else 0.0

    @property
    def is_near_noise(self) -> bool:
        """Whether R is near that of noise alone."""
        return self.noise > 0 and NEAR_NOISE * self.noise > self.R


def measure_fit(scan: Scan, canvas: Canvas, device: torch.device) -> Fit:
    """The misfit of the canvas, an object in the units of the dataset that the scan was made of, on the device."""
    probe, valid = scan.probe.to(device), scan.valid_pixels
    side, count = probe.shape[-1], len(scan.centre_yx)
    object_ = torch.from_numpy(canvas.object).to(device) / scan.object_scale
    corner = patch_corners(scan.centre_yx, side, torch.tensor(canvas.origin_yx)).float()
    flat = mode_sum_intensity(far_field(probe))
    mask = torch.ones(side, side, device=device) if valid is None else valid.to(device, torch.float32)
    by_pixel, counting = torch.zeros(side, side, dtype=torch.float64), _counting_pixels(scan).to(device)
    by_frame, totals, excess = torch.empty(3, count, dtype=torch.float64)
    flat_misfit, noise, products = 0.0, 0.0, ResidualProducts(count)
    for rows in torch.arange(count).split(max(1, CHUNK_PIXELS // side**2)):
        amplitude, background = scan.measured(rows)
        measured = amplitude.to(device) * mask
        patches = cut(object_, corner[rows].to(device), side)
        modelled = diffraction_intensity(patches, frame_probes(scan, rows, probe))
        added = 0.0 if background is None else background.to(device)
        modelled = (modelled + added) * mask
        unit = _photons(measured.square().cpu().numpy())[:, None, None]
        photons = modelled.cpu().numpy() / np.where(unit > 0, unit, 1)
        expected = torch.from_numpy(unit * noise_misfit(photons)).to(device)
        residual = measured - modelled.sqrt()
        misfit = residual.square()
        products.add(residual * counting)
        by_pixel += (misfit - expected).sum(0, dtype=torch.float64).cpu()
        excess[rows] = ((misfit - expected) * counting).sum((1, 2), dtype=torch.float64).cpu()
        by_frame[rows] = misfit.sum((1, 2), dtype=torch.float64).cpu()
        flat_misfit += float(((measured - (flat + added).sqrt()).square() * mask).sum(dtype=torch.float64))
        totals[rows] = measured.square().sum((1, 2), dtype=torch.float64).cpu()
        noise += float(expected.sum(dtype=torch.float64))
    total = float(totals.sum())
    return Fit(
        np.fft.fftshift(by_pixel.numpy()) / total,
        (by_frame / totals.clamp(min=float(totals.median()))).numpy(),
        float(by_frame.sum()) / total,
        flat_misfit / total,
        noise / total,
        moved_misfit(scan, canvas, device),
        excess.numpy() / total,
        products.shares(),
    )


def _counting_pixels(scan: Scan) -> torch.Tensor:
    """The pixels `(N, N)` bool, in FFT order, that have a photon in ten patterns in the mean of some; none where values
    are no counts. The denoiser leaves out fine structure, of which few photons come to the others."""
    count = len(scan.centre_yx)
    amplitude, _ = scan.measured(torch.linspace(0, count - 1, min(SAMPLE, count)).long())
    intensity = amplitude.square().cpu().numpy()
    unit = _photons(intensity)[:, None, None]
    photons = np.divide(intensity, unit, out=np.zeros_like(intensity), where=unit > 0)
    return torch.from_numpy(photons.mean(axis=0) >= COUNTING)


def modelled_frames(
    scan: Scan, canvas: Canvas, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """The measured and the modelled intensity `(k, N, N)` of these rows of a scan, for the object of the canvas, in the
    unit of the dataset at unit flux, zero frequency in the middle, and which pixels `(N, N)` were measured."""
    side, chosen = scan.probe.shape[-1], torch.from_numpy(rows)
    corner = patch_corners(scan.centre_yx[chosen], side, torch.tensor(canvas.origin_yx)).float()
    patches = cut(torch.from_numpy(canvas.object) / scan.object_scale, corner, side)
    modelled = diffraction_intensity(patches, frame_probes(scan, chosen, scan.probe))
    amplitude, background = scan.measured(chosen)
    modelled = modelled if background is None else modelled + background
    unit = (scan.object_scale / scan.probe_factor) ** 2
    valid = torch.ones(side, side, dtype=torch.bool) if scan.valid_pixels is None else scan.valid_pixels
    frames = (torch.fft.fftshift(one, (-2, -1)).numpy() for one in (unit * amplitude.square(), unit * modelled, valid))
    measured, expected, mask = frames
    return measured, expected, mask


def _photons(intensity: NDArray[np.float32]) -> NDArray[np.float32]:
    """The intensity of one photon in each of some patterns `(B, N, N)`, 0 where they are no whole numbers of it.

    They have one unit, or each its own where they were divided by the counts of a monitor, or by a flux.
    """
    smallest = np.where(intensity > 0, intensity, np.inf).min((1, 2))
    smallest = np.where(np.isfinite(smallest), smallest, 1)
    for units in (np.full_like(smallest, smallest.min(initial=np.inf)), smallest):
        found = np.zeros_like(smallest)
        for photons in SMALLEST_PHOTONS:
            unknown = found == 0
            found[unknown] = np.where(_are_whole(intensity[unknown], one := units[unknown] / photons), one, 0)
        if found.all():
            return np.asarray(found, np.float32)
    return np.zeros_like(smallest)


def _are_whole(intensity: NDArray[np.float32], unit: NDArray[np.floating]) -> NDArray[np.bool_]:
    counts = intensity / unit[:, None, None]
    # Rounding errors of a square root grow with the counts.
    return np.asarray((np.abs(counts - np.round(counts)) <= 1e-2 + 1e-5 * counts).all((1, 2)))


def fit_evidence(fit: Fit, trials: Trials | None, rows: NDArray[np.int64] | None = None) -> Iterator[Evidence]:
    """The evidence of a fit, with the trials of its scan; rows: the numbers of its patterns, None for all."""
    yield from _pixel_evidence(fit)
    yield from _frame_evidence(fit, rows)
    explained = fit.explained
    yield from _place_evidence(fit)
    if fit.noise > 0:
        yield from shared_noise_evidence(fit.shared, fit.R / fit.noise)
    text = f"R = {fit.R:.3g}, of a flat object {fit.flat:.3g}, of noise alone {fit.noise:.3g}"
    share = f"the object explains {100 * max(explained, 0):.0f} % of what an object can explain"
    seen = trials is not None and trials.explains > SIGNIFICANT
    level: Level = "sound"
    remedy = "look at probe, positions and patterns with `ptycho inspect`"
    if WORSE * fit.flat < fit.R:
        level, share = "doubtful", "the object fits worse than a flat one"
    elif explained < EXPLAINED and not fit.is_near_noise:
        level = "doubtful"
    if trials is not None and seen and explained < AS_SHORT * trials.explained:
        share = f"{share}, a short reconstruction of a part {100 * trials.explained:.0f} %"
        level = "wrong" if explained < FAR_LESS * trials.explained else "doubtful"
        remedy = "train longer, or refine the object with more passes"
    remedy = "" if level == "sound" else remedy
    yield Evidence(name="fit", level=level, text=f"{text}: {share}", value=explained, remedy=remedy)


def judge_fit(fit: Fit, judged: Judged, dataset: Dataset, repetition: Iterable[Evidence] = ()) -> Verdict:
    """The verdict from the fit of an object and from the evidence of its scan, judged before; dataset: that scan, with
    the probe and the positions of the fit; repetition: the evidence of its simulated repetition."""
    # Also where R is that of noise: the part that noise does not explain may be a jump.
    jumps = jump_evidence(dataset, fit.by_frame) if fit.explained < NEARLY_ALL else ()
    return judge((*judged.evidence, *fit_evidence(fit, judged.trials, judged.rows), *repetition, *jumps))


def _pixel_evidence(fit: Fit) -> Iterator[Evidence]:
    excess = fit.by_pixel.clip(min=0)
    number = max(1, round(WORST_PIXELS * excess.size))
    order = np.argsort(excess.ravel())[::-1][:number]
    share = float(excess.ravel()[order].sum() / max(excess.sum(), np.finfo(float).tiny))
    bad = share > CARRIED and excess.sum() > max(OF_NOISE * fit.noise, OF_OBJECT * (fit.flat - fit.R))
    text = f"{100 * share:.0f} % of the misfit lies in 1 % of the pixels"
    if not bad:
        yield Evidence(name="misfit of pixels", level="sound", text=text, value=share)
        return
    worst = enumeration(f"[{y}, {x}]" for y, x in np.stack(np.unravel_index(order, excess.shape), 1).tolist())
    remedy = "mask pixels that do not measure, or --mask auto"
    yield Evidence(name="misfit of pixels", level="wrong", text=f"{text}: {worst}", value=share, remedy=remedy)


def _leaves_much(fit: Fit) -> bool:
    """Whether there is so much left to explain that it says something of the positions: a wedge, which is the same
    everywhere, is explained at any."""
    return fit.explained < NEARLY_ALL and not fit.is_near_noise


def _place_evidence(fit: Fit) -> Iterator[Evidence]:
    bad = fit.moved < AT_HOME and _leaves_much(fit)
    text = f"patterns have {fit.moved:.3g} times their misfit a sixteenth of their side away from their positions"
    text = f"{text}: they do not agree on an object" if bad else text
    remedy = "check positions and probe: torch.refine.unknown=auto, or more passes" if bad else ""
    level: Level = "doubtful" if bad else "sound"
    yield Evidence(name="places", level=level, text=text, value=float(fit.moved), remedy=remedy)


def _frame_evidence(fit: Fit, rows: NDArray[np.int64] | None) -> Iterator[Evidence]:
    median = max(float(np.median(fit.by_frame)), float(np.finfo(np.float32).tiny))
    ratio = fit.by_frame / median
    worst = float(ratio.max())
    text = f"the worst pattern has {worst:.3g} times the misfit of the median one"
    # Patterns that are explained nearly as well as others change the object little.
    out = np.flatnonzero((ratio > WORST_FRAME) & (fit.by_frame > WORST_OF_FLAT * fit.flat))
    if not len(out):
        yield Evidence(name="misfit of patterns", level="sound", text=text, value=worst)
        return
    frames = tuple(int(one) for one in (out if rows is None else rows[out]))
    text = f"{text}; {len(frames)} have over {WORST_FRAME:.0f} times: {enumeration(frames)}"
    remedy = "look at these patterns and their positions"
    yield Evidence(name="misfit of patterns", level="doubtful", text=text, value=worst, frames=frames, remedy=remedy)
