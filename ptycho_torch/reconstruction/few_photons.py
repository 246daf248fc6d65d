"""Refinement of an object from few photons: the likelihood of the counts, and a network that knows objects.

Accelerated proximal gradient steps (Beck & Teboulle, SIAM J. Imaging Sci. 2, 183 (2009)) on all patterns together,
whose proximal step is a denoiser (Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013) in another of eight orientations
each pass (Terris et al., CVPR 2024), and a weak step of total variation (Chambolle, J. Math. Imaging Vis. 20, 89
(2004)), which sees what is wider than the denoiser. Without them the object that makes the counts most likely contains
their noise. How strongly they act is decided by pixels that no step has seen.
"""

import math
from collections.abc import Callable
from functools import cache

import attrs
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ptycho_torch.nets.denoiser import Denoiser, blur
from ptycho_torch.output.choice_records import PhotonsRecord
from ptycho_torch.physics.canvas import illumination, patch_corners
from ptycho_torch.physics.diffraction import exit_waves, over_modes
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.poisson import fit_counts
from ptycho_torch.physics.windows import add, check_inside, read
from ptycho_torch.pretrained import DENOISER
from ptycho_torch.reconstruction.refine_batches import Batches
from ptycho_torch.records import Refined, Scan

Progress = Callable[[int], object]

# The curvature of the likelihood is twice the illumination where the model is bright, and more where it is dark.
STEP = 0.3
MOST_MOMENTUM = 0.9
BATCH = 64
# Where the illumination is weaker than this part of its maximum, steps are as if it were that strong.
FLOOR = 0.1
ILLUMINATED = 1e-3
# Passes end when one turn through all orientations moves the object by less than this part of the noise of a step, or
# after so many.
ORIENTATIONS, SETTLED = 8, 0.1
MOST_PASSES = 120
# Strengths of the denoiser, in units of the noise of a step, tried from the middle one on, and the passes of a trial.
STRENGTHS, MIDDLE = (0.0, 0.25, 0.35, 0.5, 0.7), 2
TRIAL_PASSES = 12
# With the judgement after the last pass of each trial; four at most.
TRIALS = 4 * (TRIAL_PASSES + 1)
HELD_BACK = 0.05
# What is smoother is left to the counts, which determine it best; the object starts with no more.
SMOOTH_PX = 4.0
# The weight of the total variation, in units of the strength times the noise of a step, and its iterations.
TOTAL_VARIATION, TOTAL_VARIATION_STEPS = 0.25, 20
SAMPLE = 64


@cache
def _denoiser(device: torch.device) -> Denoiser:
    model = Denoiser()
    model.load_state_dict(load_file(DENOISER))
    return model.eval().to(device)


def photons_per_pixel(scan: Scan) -> float:
    """The photons that a lit pixel of the object sent to the detector, in the mean over `scan`; very many where its
    values are no counts."""
    amplitude = sample_amplitude(scan)
    photon = photon_intensity(amplitude)
    if photon == 0:
        return math.inf
    corner = patch_corners(scan.centre_yx, scan.probe.shape[-1], torch.zeros(2, dtype=torch.int64))
    low = corner.amin(0)
    y, x = low.tolist()
    height, width = (corner.amax(0) - low + scan.probe.shape[-1]).tolist()
    summed = illumination(scan, (y, x), (height, width))
    bright = int((summed > FLOOR * summed.max()).sum())
    return float(amplitude.square().sum((-2, -1)).mean()) / photon * len(corner) / bright


def sample_amplitude(scan: Scan) -> Tensor:
    """Amplitudes `(B, N, N)` of patterns all over the scan, 0 where nothing was measured."""
    count = len(scan.centre_yx)
    amplitude = scan.amplitude[torch.linspace(0, count - 1, min(SAMPLE, count)).long()]
    return amplitude if scan.valid_pixels is None else amplitude * scan.valid_pixels


def refine_few_photons(
    start: Refined, passes: int, *, seed: int, device: torch.device, progress: Progress = lambda _: None
) -> tuple[Refined, PhotonsRecord]:
    """The object from the smooth part of that of `start` after passes until it settles, at most so many, and the choice
    of the denoiser's strength.

    seed: of the pixels that are held back in the trials; device computes; progress is called with the number of
    patterns of each finished batch, at most `passes + TRIALS` times all. Probe, positions, flux and background stay
    as the scan has them; pixels without illumination have the smooth part. Raises ValueError where a patch leaves the
    object.
    """
    scan = start.scan
    with torch.inference_mode():
        work = _Ascent(start, seed, device, progress)
        trials = _try_strengths(lambda strength: work.run(TRIAL_PASSES, strength, hold_back=True).unlikely)
        best = min(trials, key=trials.__getitem__)
        found = work.run(passes, best, hold_back=False)
    record = PhotonsRecord(
        per_pixel=round(photons_per_pixel(scan), 1),
        denoiser_strength=best,
        unlikely={f"{strength:g}": round(unlikely, 6) for strength, unlikely in trials.items()},
    )
    history = start.history + found.history
    return attrs.evolve(start, object=found.object.cpu().clone(), history=history), record


def held_back_unlikelihood(start: Refined, *, seed: int, device: torch.device) -> float:
    """The negative log-likelihood of all held-back pixels after the passes of a trial from `start`, with the denoiser
    at its middle strength; seed: of these pixels; device: computes."""
    with torch.inference_mode():
        work = _Ascent(start, seed, device, lambda _: None)
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


def _turn(field: Tensor, number: int, *, back: bool = False) -> Tensor:
    """A field `(H, W)` in the orientation of this number, of eight, or back from it."""
    turns, mirrored = number % 4, number // 4 % 2 == 1
    if back:
        turned = field.rot90(-turns)
        return turned.flip(0) if mirrored else turned
    return (field.flip(0) if mirrored else field).rot90(turns).contiguous()


@attrs.frozen(eq=False)
class _Result:
    """object: after the passes; history: R of each; unlikely: negative log-likelihood of the held-back pixels."""

    object: Tensor
    history: tuple[float, ...]
    unlikely: float


class _Ascent:
    """Runs from the same start, on the same batches of patterns."""

    def __init__(self, start: Refined, seed: int, device: torch.device, progress: Progress) -> None:
        scan, object_, origin_yx = start.scan, start.object, start.origin_yx
        self.device, self.seed, self.progress = device, seed, progress
        self.side = scan.probe.shape[-1]
        check_inside(patch_corners(scan.centre_yx, self.side, torch.tensor(origin_yx)), self.side, object_.shape)
        self.start = blur(object_.to(device, torch.complex64)[None], SMOOTH_PX)[0]
        height, width = object_.shape
        rows = torch.arange(len(scan.centre_yx)).split(BATCH)
        self.batches = Batches(scan, scan.probe.to(device), torch.tensor(origin_yx), (height, width), rows, 0.0)
        self.valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
        self.photon = photon_intensity(sample_amplitude(scan))
        summed = illumination(scan, origin_yx, object_.shape).to(device)
        self.bright = summed > ILLUMINATED * summed.max()
        self.rate = STEP / summed.clamp_min(FLOOR * float(summed.max()))
        self.noise = (self.rate * self.photon).sqrt()
        self.usual_noise = float(self.noise[self.bright].median())

    def run(self, passes: int, strength: float, *, hold_back: bool) -> _Result:
        """Passes from the start, with the denoiser at this strength, on all pixels or on all but those held back."""
        object_ = before = a_turn_ago = self.start
        inertia, history, unlikely = 1.0, [], math.nan
        for number in range(passes + hold_back):
            following = (1 + math.sqrt(1 + 4 * inertia**2)) / 2
            momentum = min((inertia - 1) / following, MOST_MOMENTUM)
            judging = number == passes
            ahead = object_ if judging else object_ + momentum * (object_ - before)
            ascent, misfit, unlikely = self._gradient(ahead, hold_back=hold_back)
            if judging:
                break
            history.append(misfit)
            before, inertia = object_, following
            moved = ahead + self.rate * ascent
            if strength:
                moved = self._denoise(moved, strength, number)
            object_ = torch.where(self.bright, moved, self.start)
            if not hold_back and (number + 1) % ORIENTATIONS == 0:
                if self._movement(object_ - a_turn_ago) < SETTLED:
                    break
                a_turn_ago = object_
        return _Result(object_, tuple(history), unlikely)

    def _movement(self, change: Tensor) -> float:
        """The rms of a change of the lit object in units of the noise of a step."""
        return float((change[self.bright] / self.noise[self.bright]).abs().square().mean().sqrt())

    def _denoise(self, object_: Tensor, strength: float, number: int) -> Tensor:
        """The object without fine noise: small errors of the denoiser in smooth parts would add up over the passes."""
        from skimage.restoration import denoise_tv_chambolle

        turned, noise = (_turn(field, number) for field in (object_, strength * self.noise))
        change: Tensor = _denoiser(self.device)(turned[None], noise[None]) - turned
        fine = _turn((change - blur(change, SMOOTH_PX))[0], number, back=True)
        parts = torch.view_as_real(object_ + fine).cpu().numpy()
        weight = TOTAL_VARIATION * strength * self.usual_noise
        flat = denoise_tv_chambolle(parts, weight, max_num_iter=TOTAL_VARIATION_STEPS, channel_axis=-1)
        return torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(flat, np.float32))).to(self.device)

    def _gradient(self, object_: Tensor, *, hold_back: bool) -> tuple[Tensor, float, float]:
        """The gradient of the log-likelihood, R, and the negative log-likelihood a pattern of the held-back pixels."""
        total, misfit, energy, unlikely = torch.zeros_like(object_), 0.0, 0.0, 0.0
        drawn = torch.Generator().manual_seed(self.seed)
        for batch in self.batches.read(range(len(self.batches.rows))):
            waves = exit_waves(read(object_, batch.corners, self.side), batch.probes)
            fitted = None
            if hold_back:
                fitted = (torch.rand(batch.amplitude.shape, generator=drawn) >= HELD_BACK).to(self.device)
            fit = fit_counts(
                waves,
                batch.amplitude,
                self.photon,
                fitted=fitted,
                valid_pixels=self.valid_pixels,
                background=batch.background,
            )
            change = over_modes(fit.ascent * batch.probes.conj())
            if self.batches.scan.flux is not None:
                change *= self.batches.scan.flux[batch.rows].to(change)[:, None, None]
            add(total, change, batch.corners)
            misfit += fit.misfit
            energy += batch.energy
            unlikely += fit.unlikely
            self.progress(len(batch.rows))
        return total, misfit / energy, unlikely / len(self.batches.scan.centre_yx)
