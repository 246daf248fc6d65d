"""A sample of the patterns of a scan: neighbours that differ, with pixels that are held back."""

import math

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.windows import Corners
from ptycho_torch.records import Scan

# The share of the pixels of every pattern that no update sees.
HELD_BACK = 0.05
_BINS = 8
_CENTRES = 100
_CHUNK = 256
_QUARTER = 0.25


@attrs.frozen(eq=False)
class PatternSample:
    """Patterns of one region: amplitude `(n, N, N)` in FFT order, corners on a canvas of that shape, sub-pixel rest
    fraction_yx `(n, 2)` of their positions; fitted and held_back `(n, N, N)` bool, the pixels that updates may see and
    those that only judge; photon: intensity of one photon, 0 where not known; noise: the R factor that Poisson noise
    alone leaves."""

    amplitude: Tensor
    corners: Corners
    fraction_yx: Tensor
    shape: tuple[int, int]
    fitted: Tensor
    held_back: Tensor
    photon: float
    noise: float

    @property
    def spread(self) -> float:
        """The R factor of a model that shows the mean amplitude in every pattern."""
        lost = (self.amplitude - self.amplitude.mean(0)).square() * self.held_back
        return float(lost.sum() / (self.amplitude.square() * self.held_back).sum())

    def unexplained(self, misfit: float) -> float:
        """The part of the differences between the patterns, apart from noise, that an R factor `misfit` leaves."""
        return (misfit - self.noise) / (self.spread - self.noise) if self.spread > self.noise else math.inf


@attrs.frozen(eq=False)
class PatternSummary:
    """The mean intensity `(N, N)` of all patterns in FFT order, how far each is from the mean pattern `(n,)`, and the
    total of each `(n,)` float64."""

    mean: Tensor
    difference: Tensor
    total: Tensor


def summarise(scan: Scan) -> PatternSummary:
    """The summary of all patterns of a scan, read in pieces. Invalid pixels count as dark."""
    count, side = len(scan.centre_yx), scan.probe.shape[-1]
    mean, binned, totals = torch.zeros(side, side), [], []
    valid = 1 if scan.valid_pixels is None else scan.valid_pixels
    for rows in torch.arange(count).split(_CHUNK):
        amplitude = scan.signal(rows) * valid
        intensity = amplitude.square()
        mean += intensity.sum(0) / count
        totals.append(intensity.sum((1, 2), dtype=torch.float64))
        binned.append(torch.nn.functional.adaptive_avg_pool2d(torch.fft.fftshift(amplitude, (-2, -1)), _BINS))
    small = torch.cat(binned)
    return PatternSummary(mean, (small - small.mean(0)).square().sum((1, 2)), torch.cat(totals))


def telling_rows(scan: Scan, summary: PatternSummary, number: int) -> Tensor:
    """The rows of `number` neighbouring patterns of the scan, int64 sorted: of all such regions the one whose patterns,
    by the summary, differ most from the mean pattern. A region where nothing is to be seen tells nothing of a probe."""
    position, count = scan.position_yx, len(scan.centre_yx)
    best, rows = -1.0, torch.arange(count)
    if number >= count:
        return rows
    for centre in range(0, count, max(1, count // _CENTRES)):
        distance = (position - position[centre]).abs().amax(1)
        near = distance.argsort(stable=True)[:number]
        if (value := float(summary.difference[near].median())) > best:
            best, rows = value, near
    return rows.sort().values


def pattern_sample(scan: Scan, rows: Tensor, rng: np.random.Generator, device: torch.device) -> PatternSample:
    """The patterns of these rows of a scan; rng draws the pixels that are held back; device: for the tensors."""
    amplitude, side = scan.signal(rows), scan.probe.shape[-1]
    origin, height, width = canvas_of(scan.centre_yx[rows], side)
    valid = torch.ones(side, side, dtype=torch.bool) if scan.valid_pixels is None else scan.valid_pixels
    measured = scan.amplitude[rows] * valid
    photon = photon_intensity(measured)
    judged = torch.from_numpy(rng.random(amplitude.shape, dtype=np.float32) < HELD_BACK) & valid
    return PatternSample(
        amplitude=(amplitude * valid).to(device),
        corners=patch_corners(scan.centre_yx[rows], side, origin.long()).tolist(),
        fraction_yx=scan.fraction_yx[rows].to(device),
        shape=(height, width),
        fitted=(valid & ~judged).to(device),
        held_back=judged.to(device),
        photon=photon,
        noise=noise_of(measured, photon) * float(measured.square().sum() / (amplitude * valid).square().sum()),
    )


def noise_of(amplitude: Tensor, photon: float) -> float:
    """The R factor of Poisson noise in patterns of this amplitude `(n, N, N)`, photon the intensity of one: a count of
    mean M has a root of variance min(M, 1/4) about."""
    counts = amplitude.square().mean(0)
    return float(counts.clamp_max(_QUARTER * photon).sum() / counts.sum())
