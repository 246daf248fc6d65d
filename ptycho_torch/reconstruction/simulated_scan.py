"""The scan that the reconstructed object and probe would give: the same instrument, other noise."""

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.reconstruction.denoised_ascent import sample_amplitude
from ptycho_torch.records import Canvas, Scan

# Patterns of this size together are drawn once, larger scans again whenever they are read.
IN_MEMORY_BYTES = 64 * 2**20
# Counts of more photons have no noise that a float32 could hold.
NOISELESS = 1e12


@attrs.frozen(eq=False)
class _Counts:
    """Amplitudes `(n, N, N)` of Poisson counts around the patterns of an object, drawn when indexed, always the
    same for a pattern. object `(H, W)` in the units of the scan, whose `[0, 0]` is scan pixel origin_yx; photon: the
    intensity of one."""

    scan: Scan
    object: Tensor
    origin_yx: tuple[int, int]
    photon: float
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.scan.centre_yx), *self.scan.probe.shape[-2:])

    def __getitem__(self, rows: Tensor) -> Tensor:
        numbers = rows.reshape(-1)
        expected = self._expected(numbers) / self.photon
        drawn = torch.stack([self._draw(mean, number) for mean, number in zip(expected, numbers.tolist(), strict=True)])
        amplitude = (drawn * self.photon).sqrt_()
        if self.scan.valid_pixels is not None:
            amplitude *= self.scan.valid_pixels
        return amplitude.reshape(*rows.shape, *amplitude.shape[-2:])

    def _expected(self, rows: Tensor) -> Tensor:
        side = self.scan.probe.shape[-1]
        corners = patch_corners(self.scan.centre_yx[rows], side, torch.tensor(self.origin_yx))
        probes = frame_probes(self.scan, rows, self.scan.probe)
        expected = diffraction_intensity(cut(self.object, corners.float(), side), probes)
        if self.scan.flux is not None:
            expected = expected * self.scan.flux[rows].to(expected)[:, None, None]
        return expected if self.scan.background is None else expected + self.scan.background

    def _draw(self, mean: Tensor, row: int) -> Tensor:
        rng = np.random.default_rng((self.seed, row))
        counts = rng.poisson(mean.clamp_max(NOISELESS).double().numpy())
        return torch.where(mean < NOISELESS, torch.from_numpy(counts).to(mean), mean)


def simulated_scan(scan: Scan, canvas: Canvas, seed: int) -> Scan:
    """The scan with Poisson counts around the patterns of an object in the place of those measured, without its first
    guess.

    canvas: the object, in the units of the dataset of `scan`, which holds every patch; seed: of the counts. One photon
    is the smallest value of a sample of the patterns: so values that are no counts have next to no noise. Raises
    ValueError where a patch leaves the canvas.
    """
    photon = max(photon_intensity(sample_amplitude(scan)), torch.finfo(torch.float32).tiny)
    object_ = torch.from_numpy(canvas.object) / scan.object_scale
    counts = _Counts(scan, object_, canvas.origin_yx, photon, seed)
    small = 4 * int(np.prod(counts.shape)) <= IN_MEMORY_BYTES
    return attrs.evolve(
        scan, amplitude=counts[torch.arange(len(scan.centre_yx))] if small else counts, label=None, initial=None
    )
