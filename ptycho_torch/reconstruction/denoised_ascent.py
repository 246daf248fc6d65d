"""Accelerated proximal gradient steps on the likelihood of the counts, with a network that knows objects.

Steps (Beck & Teboulle, SIAM J. Imaging Sci. 2, 183 (2009)) on all patterns together, whose proximal step is a denoiser
(Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013) in another of eight orientations each pass (Terris et al., CVPR
2024), and a weak step of total variation (Chambolle, J. Math. Imaging Vis. 20, 89 (2004)), which sees what is wider
than the denoiser. Without them the object that makes the counts most likely contains their noise.

They go through levels of photons, the first of a few. The likelihood of a level is that of all counts to the power of
its part of them: as smooth as that of so few photons, so that the denoiser can lead through it, without their noise
(graduated optimisation: Blake & Zisserman, Visual Reconstruction (1987)).
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
from ptycho_torch.physics.canvas import illumination, patch_corners
from ptycho_torch.physics.diffraction import exit_waves, over_modes
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.poisson import fit_counts
from ptycho_torch.physics.windows import add, check_inside, read
from ptycho_torch.pretrained import DENOISER
from ptycho_torch.reconstruction.probe_steps import ProbeSteps
from ptycho_torch.reconstruction.refine_batches import Batches, frame_masks
from ptycho_torch.records import Refined, Scan

Progress = Callable[[int], object]

# The curvature of the likelihood is twice the illumination where the model is bright, and more where it is dark.
STEP = 0.3
MOST_MOMENTUM = 0.9
BATCH = 64
# Where the illumination is weaker than this part of its maximum, steps are as if it were that strong.
FLOOR = 0.1
ILLUMINATED = 1e-3
# Passes end when one turn through all orientations moves the object by less than this part of the noise of a step.
ORIENTATIONS, SETTLED = 8, 0.1
# The first level has at most so many photons a pixel of the object, 7 % of noise; each further one as many times more;
# the last no more than what noise of 0.1 % needs. Passes of a level before the last, at most.
FIRST, RATIO, MOST = 100.0, math.sqrt(10), 1e6
LEVEL_PASSES = 6 * ORIENTATIONS
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


def sample_amplitude(scan: Scan) -> Tensor:
    """Amplitudes `(B, N, N)` of patterns all over the scan, 0 where nothing was measured."""
    count = len(scan.centre_yx)
    amplitude = scan.amplitude[torch.linspace(0, count - 1, min(SAMPLE, count)).long()]
    return amplitude if scan.valid_pixels is None else amplitude * scan.valid_pixels


def photons_per_pixel(scan: Scan) -> float:
    """The photons that a lit pixel of the object sent to the detector, in the mean over `scan`; very many where its
    values are no counts."""
    amplitude = sample_amplitude(scan)
    photon = photon_intensity(amplitude)
    return math.inf if photon == 0 else _intensity_per_pixel(scan, amplitude) / photon


def _intensity_per_pixel(scan: Scan, amplitude: Tensor) -> float:
    """The intensity that a lit pixel of the object sent to the detector; amplitude: a sample of the patterns."""
    corner = patch_corners(scan.centre_yx, scan.probe.shape[-1], torch.zeros(2, dtype=torch.int64))
    low = corner.amin(0)
    y, x = low.tolist()
    height, width = (corner.amax(0) - low + scan.probe.shape[-1]).tolist()
    summed = illumination(scan, (y, x), (height, width))
    bright = int((summed > FLOOR * summed.max()).sum())
    return float(amplitude.square().sum((-2, -1)).mean()) * len(corner) / bright


def photon_levels(per_pixel: float) -> tuple[float, ...]:
    """Photons a pixel of the levels, in equal ratios up to `per_pixel`, at least two: the first has at most `FIRST`."""
    last = min(per_pixel, MOST)
    steps = max(1, math.ceil(math.log(last / FIRST, RATIO)))
    return tuple(last / RATIO**step for step in range(steps, -1, -1))


@attrs.frozen(eq=False)
class Ascended:
    """object, probe `(P, N, N)`: after the passes; history: R of each; unlikely: negative log-likelihood a pattern of
    the held-back pixels, NaN where none were."""

    object: Tensor
    probe: Tensor
    history: tuple[float, ...]
    unlikely: float


@attrs.frozen(eq=False)
class _Level:
    """The intensity that counts as a photon, and the noise of a step: of each pixel, and its median."""

    photon: float
    noise: Tensor
    usual_noise: float


class DenoisedAscent:
    """Runs from the smooth part of the same object, on the same batches of patterns.

    start: the object `(H, W)` and its scan; seed: of the pixels that are held back; device: computes; progress is
    called with the number of patterns of each finished batch. Raises ValueError where a patch leaves the object.
    """

    def __init__(self, start: Refined, seed: int, device: torch.device, progress: Progress) -> None:
        scan, object_, origin_yx = start.scan, start.object, start.origin_yx
        self.device, self.progress = device, progress
        self.side = scan.probe.shape[-1]
        check_inside(patch_corners(scan.centre_yx, self.side, torch.tensor(origin_yx)), self.side, object_.shape)
        self.start = blur(object_.to(device, torch.complex64)[None], SMOOTH_PX)[0]
        height, width = object_.shape
        rows = torch.arange(len(scan.centre_yx)).split(BATCH)
        self.batches = Batches(scan, scan.probe.to(device), torch.tensor(origin_yx), (height, width), rows, 0.0)
        self.valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
        self.held_back = torch.from_numpy(np.random.default_rng(seed).random((self.side, self.side)) < HELD_BACK)
        sample = sample_amplitude(scan)
        self.intensity = _intensity_per_pixel(scan, sample)
        self.levels = photon_levels(photons_per_pixel(scan))
        summed = illumination(scan, origin_yx, object_.shape).to(device)
        self.bright = summed > ILLUMINATED * summed.max()
        self.rate = STEP / summed.clamp_min(FLOOR * float(summed.max()))

    def climb(self, strength: float) -> Ascended:
        """Passes from the smooth start through all levels but the last until they settle, `LEVEL_PASSES` at most at
        each, that do not see the pixels that judge; strength: of the denoiser."""
        made = Ascended(self.start, self.batches.probe, (), math.nan)
        for photons in self.levels[:-1]:
            made = self.run(LEVEL_PASSES, strength, photons=photons, after=made, hold_back=True, settle=True)
        return made

    def run(
        self,
        passes: int,
        strength: float,
        *,
        photons: float | None = None,
        after: Ascended | None = None,
        hold_back: bool,
        settle: bool = False,
        probe_too: bool = False,
    ) -> Ascended:
        """Passes at one level.

        passes: so many, fewer with settle where they settle. strength: of the denoiser. photons: a pixel, None for the
        last level. after: earlier passes, None for the smooth start. hold_back: let no step see the pixels that judge.
        probe_too: improve the probe.
        """
        level = self._level(self.levels[-1] if photons is None else photons)
        object_, history = (self.start, list[float]()) if after is None else (after.object, list(after.history))
        before = a_turn_ago = object_
        steps, inertia = ProbeSteps(self.batches.scan, self.batches.probe, moving=probe_too), 1.0
        for number in range(passes):
            following = (1 + math.sqrt(1 + 4 * inertia**2)) / 2
            momentum = min((inertia - 1) / following, MOST_MOMENTUM)
            ahead = object_ + momentum * (object_ - before)
            steps.extrapolate(momentum)
            ascent, misfit, unlikely = self._gradient(ahead, level.photon, hold_back=hold_back, probe=steps)
            history.append(misfit)
            if steps.moving and (best := steps.follow(object_, misfit, unlikely)) is not None:
                object_ = before = best
                inertia = 1.0
                continue
            before, inertia = object_, following
            moved = ahead + self.rate * ascent
            if strength:
                moved = self._denoise(moved, strength, level, number)
            object_ = torch.where(self.bright, moved, self.start)
            if settle and (number + 1) % ORIENTATIONS == 0:
                moved_by = self._movement(object_ - a_turn_ago, level), steps.movement(level.photon)
                if max(moved_by) < SETTLED:
                    break
                a_turn_ago = object_
        unlikely = self._gradient(object_, level.photon, hold_back=True, probe=steps)[2] if hold_back else math.nan
        return Ascended(object_, steps.probe, tuple(history), unlikely)

    def _level(self, photons: float) -> _Level:
        photon = self.intensity / photons
        noise = (self.rate * photon).sqrt()
        return _Level(photon, noise, float(noise[self.bright].median()))

    def _movement(self, change: Tensor, level: _Level) -> float:
        """The rms of a change of the lit object in units of the noise of a step."""
        return float((change[self.bright] / level.noise[self.bright]).abs().square().mean().sqrt())

    def _denoise(self, object_: Tensor, strength: float, level: _Level, number: int) -> Tensor:
        """The object without fine noise: small errors of the denoiser in smooth parts would add up over the passes."""
        from skimage.restoration import denoise_tv_chambolle

        turned, noise = (_turn(field, number) for field in (object_, strength * level.noise))
        change: Tensor = _denoiser(self.device)(turned[None], noise[None]) - turned
        fine = _turn((change - blur(change, SMOOTH_PX))[0], number, back=True)
        parts = torch.view_as_real(object_ + fine).cpu().numpy()
        weight = TOTAL_VARIATION * strength * level.usual_noise
        flat = denoise_tv_chambolle(parts, weight, max_num_iter=TOTAL_VARIATION_STEPS, channel_axis=-1)
        return torch.view_as_complex(torch.from_numpy(np.ascontiguousarray(flat, np.float32))).to(self.device)

    def _gradient(
        self, object_: Tensor, photon: float, *, hold_back: bool, probe: ProbeSteps
    ) -> tuple[Tensor, float, float]:
        """The gradient of the log-likelihood, R, and the negative log-likelihood a pattern of the held-back pixels, of
        all where none are. That with respect to a probe that moves is added up there."""
        total, misfit, energy, unlikely = torch.zeros_like(object_), 0.0, 0.0, 0.0
        for batch in self.batches.read(range(len(self.batches.rows))):
            patches = read(object_, batch.corners, self.side)
            probes = probe.of_patterns(batch)
            waves = exit_waves(patches, probes)
            fit = fit_counts(
                waves,
                batch.amplitude,
                photon,
                fitted=~frame_masks(self.held_back, batch.rows).to(self.device) if hold_back else None,
                valid_pixels=self.valid_pixels,
                background=batch.background,
            )
            ascent = fit.ascent
            if self.batches.scan.flux is not None:
                ascent *= self.batches.scan.flux[batch.rows].to(ascent)[:, None, None, None]
            add(total, over_modes(ascent * probes.conj()), batch.corners)
            if probe.moving:
                probe.add(ascent, patches, batch.rows)
            misfit += fit.misfit
            energy += batch.energy
            unlikely += fit.unlikely
            self.progress(len(batch.rows))
        return total, misfit / energy, unlikely / len(self.batches.scan.centre_yx)


def _turn(field: Tensor, number: int, *, back: bool = False) -> Tensor:
    """A field `(H, W)` in the orientation of this number, of eight, or back from it."""
    turns, mirrored = number % 4, number // 4 % 2 == 1
    if back:
        turned = field.rot90(-turns)
        return turned.flip(0) if mirrored else turned
    return (field.flip(0) if mirrored else field).rot90(turns).contiguous()
