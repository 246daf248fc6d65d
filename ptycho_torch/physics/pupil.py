"""A probe from the mean pattern of a scan.

The mean of many patterns is close to the intensity of the pupil, `|F P|^2`, because the patterns differ by what the
object scatters out of it. Missing is the phase of the pupil, of which a focused beam has mostly defocus and
astigmatism: quadratic phases. The rays of a defocus of `phi (q / q0)^2`, q0 the rms frequency, reach `phi / (pi q0)` px
from the axis at q0; a phase at q0 that is right to about 2 rad is near enough for joint updates of object and probe.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

_BRIGHT = 0.1


class Aberration(NamedTuple):
    """Phases in rad at the rms frequency q0, `(defocus q^2 + upright (q_y^2 - q_x^2) + oblique 2 q_y q_x) / q0^2`."""

    defocus: float
    upright: float = 0.0
    oblique: float = 0.0


def rms_frequency(mean: Tensor) -> float:
    """`q0 = sqrt(sum I q^2 / sum I)` in cycles/px, over the pixels of mean `(N, N)`, intensity in FFT order, that are
    above a tenth of its largest: background does not count."""
    weight = mean * (mean > _BRIGHT * mean.max())
    y, x = _frequencies(mean)
    return float(((weight * (y.square() + x.square())).sum() / weight.sum()).sqrt())


def pupil_probe(mean: Tensor, aberration: Aberration) -> Tensor:
    """`F^-1[sqrt(I) exp(i phase)]` with `sum |P|^2 = N^2`, its centre at `[N/2, N/2]`: `(1, N, N)` complex64.

    mean: I, `(N, N)` in FFT order; aberration: its phase, 0 in focus.
    """
    side, phase = mean.shape[-1], _phase(mean, aberration)
    probe = torch.fft.fftshift(torch.fft.ifft2(torch.polar(mean.sqrt(), phase), norm="ortho"))
    probe = probe * (side / torch.linalg.vector_norm(probe))
    stack: Tensor = probe.to(torch.complex64)[None]
    return stack


def aberrated_probe(probe: Tensor, aberration: Aberration) -> Tensor:
    """`F^-1[F P exp(i phase)]` of every mode of probe `(P, N, N)` complex64, with the phase of an aberration
    whose q0 is that of the spectrum."""
    spectrum = torch.fft.fft2(probe)
    phase = _phase(spectrum.abs().square().sum(0), aberration)
    made: Tensor = torch.fft.ifft2(spectrum * torch.polar(torch.ones_like(phase), phase))
    return made


def defocus_phases(mean: Tensor, farthest_px: float, step_rad: float) -> list[float]:
    """Phases at q0 in rad, 0 and multiples of step_rad on both sides, as far as rays that reach farthest_px from
    the axis, and at least one on each side; mean as in `pupil_probe`."""
    number = max(1, math.ceil(math.pi * rms_frequency(mean) * farthest_px / step_rad))
    return [k * step_rad for k in range(-number, number + 1)]


def _phase(mean: Tensor, aberration: Aberration) -> Tensor:
    """The phase `(N, N)` in rad of an aberration, q0 that of mean, in FFT order."""
    y, x = (frequency / rms_frequency(mean) for frequency in _frequencies(mean))
    phase = aberration.defocus * (y.square() + x.square()) + aberration.upright * (y.square() - x.square())
    return phase + 2 * aberration.oblique * y * x


def _frequencies(mean: Tensor) -> tuple[Tensor, Tensor]:
    """(y, x) in cycles/px, in FFT order, that broadcast to `(N, N)`."""
    frequency = torch.fft.fftfreq(mean.shape[-1], device=mean.device, dtype=mean.dtype)
    return frequency[:, None], frequency
