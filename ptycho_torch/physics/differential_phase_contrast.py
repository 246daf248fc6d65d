"""Differential phase contrast: a coarse initial object from the total and the centre of mass of each pattern.

For an exit wave `psi = P O`, sums over the detector are integrals over the object: the total is
`T = sum_r |P|^2 |O|^2`, and the centre of mass times the total is
`M = sum_q q I = sum_r |psi|^2 grad arg psi = sum_r |O|^2 Im(P* grad P) + |P|^2 |O|^2 grad arg O`.
Source: Waddell & Chapman, Optik 54, 83 (1979); Lazic et al., Ultramicroscopy 160, 265 (2016).
"""

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage, sparse
from torch import Tensor

Real = NDArray[np.float64]
Complex = NDArray[np.complexfloating]

SPACING_PX = 2
_ITERATIONS = 40
_DAMPING = 1e-2
# Intensity varies less than phase, and neither over more than a few hundred pixels.
_PRIOR = (0.3, 1.0)
_LOWEST_RAD_PX = 1e-3
_DARKEST = 0.05
# Rows of the object that are computed at once.
_STRIP = 128


def pattern_moments(amplitude: Tensor) -> Tensor:
    """`(sum I, sum q_y I, sum q_x I)`, `I = A^2`, of amplitudes A `(n, N, N)` in FFT order, `(n, 3)`
    float64; q in radians per pixel of the object."""
    # A centre of mass is a small difference of large sums.
    intensity = amplitude.double().square()
    frequency = 2 * torch.pi * torch.fft.fftfreq(amplitude.shape[-1], dtype=intensity.dtype, device=amplitude.device)
    rows, columns = intensity.sum(dim=-1), intensity.sum(dim=-2)
    return torch.stack([rows.sum(dim=-1), rows @ frequency, columns @ frequency], dim=-1)


def flux_kernels(probe: Complex) -> Real:
    """`|P|^2` and `Im(P* grad P)` along y and x, summed over the modes of a probe `(P, N, N)` complex:
    `(3, N, N)` float64."""
    frequency = 2 * np.pi * fft.fftfreq(probe.shape[-1])
    probe = probe.astype(np.complex128)
    spectrum = fft.fft2(probe)
    down, right = fft.ifft2(1j * frequency[:, None] * spectrum), fft.ifft2(1j * frequency * spectrum)
    products = (np.abs(probe) ** 2, (probe.conj() * down).imag, (probe.conj() * right).imag)
    return np.stack([product.sum(axis=0) for product in products]).astype(np.float64)


def coarse_object(moments: Real, probe: Complex, corner_yx: Real, height: int, width: int) -> NDArray[np.complex64]:
    """`sqrt(a) exp(i phi)` that explains the moments best, `(H, W)`.

    The least squares of `T = |P|^2 * a` and `M = J * a + |P|^2 * grad phi`, J = `Im(P* grad P)` and
    `*` the correlation at the corners: linear, since the factor `a` of the phase gradient is taken as its
    mean, 1. Structure coarser or finer than the scan, which the moments do not determine, stays flat.

    moments `(n, 3)` of `pattern_moments`; probe `(P, N, N)` complex, in the square root of their unit;
    corner_yx `(n, 2)`: the first pixel of each patch in the object, real; height, width: H, W in px.
    """
    system = _system(probe, corner_yx, height, width)
    kernels = flux_kernels(probe)
    flat = kernels.sum(axis=(1, 2))
    target = np.ascontiguousarray(((moments - flat) / flat[0]).T)
    solution = sparse.linalg.lsmr(
        sparse.linalg.LinearOperator(
            (target.size, 2 * system.height * system.width),
            matvec=system.forward,
            rmatvec=system.adjoint,
            dtype=np.float64,
        ),
        target.ravel(),
        damp=_DAMPING,
        atol=0.0,
        btol=0.0,
        conlim=0.0,
        maxiter=_ITERATIONS,
    )[0]
    fields = system.fields(solution)
    object_ = np.empty((height, width), np.complex64)
    for start in range(0, height, _STRIP):
        rows = slice(start, min(start + _STRIP, height))
        contrast, phase = (_enlarge(field, rows)[:, :width] for field in fields)
        object_[rows] = np.sqrt(np.maximum(1.0 + contrast, _DARKEST)) * np.exp(1j * phase)
    return object_


def _enlarge(field: Real, rows: slice) -> Real:
    """Rows of pixels, from a multiple of `SPACING_PX` on, of a periodic field of bins: linear between
    the centres of bins."""
    bins = np.arange(rows.start // SPACING_PX - 1, -(-rows.stop // SPACING_PX) + 1)
    strip = field.take(bins, axis=0, mode="wrap")
    pixels = ndimage.zoom(strip, SPACING_PX, order=1, mode="grid-wrap", grid_mode=True)
    return np.asarray(pixels[SPACING_PX:][: rows.stop - rows.start], np.float64)


@attrs.frozen(eq=False)
class _System:
    """The linear map from whitened fields, bins of `SPACING_PX`, to totals and centres of mass.

    The unknowns are `(intensity - 1, phase)` times `|k|`, so that coarse and fine structure converge alike. kernels:
    the spectra of `|P|^2` and of its flow along y and x; wave_yx: the frequencies `i k` of a gradient. Fields are
    transformed one at a time, since each is as large as the object.
    """

    sampling: sparse.csr_array
    kernels: NDArray[np.complex128]
    wave_yx: tuple[NDArray[np.complex128], NDArray[np.complex128]]
    whitening: Real
    height: int
    width: int

    @property
    def _shape(self) -> tuple[int, int]:
        return self.height, self.width

    def _spectra(self, unknown: Real) -> list[NDArray[np.complex128]]:
        fields = unknown.reshape(2, *self._shape)
        return [fft.rfft2(f) * (p * self.whitening) for f, p in zip(fields, _PRIOR, strict=True)]

    def fields(self, unknown: Real) -> Real:
        """Intensity minus 1 and phase, `(2, height, width)`."""
        return np.stack([fft.irfft2(spectrum, s=self._shape) for spectrum in self._spectra(unknown)])

    def forward(self, unknown: Real) -> Real:
        """`(3 n,)`: the moments that every pattern would have, of unknowns `(2 height width,)`."""
        intensity, phase = self._spectra(unknown)
        illumination, *flows = self.kernels
        phase *= illumination
        shown = np.empty((3, self.sampling.shape[0]))
        shown[0] = self._sampled(illumination * intensity)
        for row, flow, wave in zip(shown[1:], flows, self.wave_yx, strict=True):
            row[:] = self._sampled(flow * intensity + wave * phase)
        return shown.ravel()

    def _sampled(self, spectrum: NDArray[np.complex128]) -> Real:
        return np.asarray(self.sampling @ fft.irfft2(spectrum, s=self._shape).ravel())

    def adjoint(self, shown: Real) -> Real:
        """The transpose of `forward`: moments `(3 n,)` to unknowns `(2 height width,)`."""
        total, *moments = shown.reshape(3, -1)
        illumination, *flows = self.kernels
        intensity = illumination.conj() * self._spread(total)
        phase = np.zeros_like(intensity)
        for moment, flow, wave in zip(moments, flows, self.wave_yx, strict=True):
            spectrum = self._spread(moment)
            intensity += flow.conj() * spectrum
            phase += wave.conj() * spectrum
        phase *= illumination.conj()
        unknown = np.empty((2, *self._shape))
        for field, spectrum, prior in zip(unknown, (intensity, phase), _PRIOR, strict=True):
            field[:] = fft.irfft2(spectrum * (prior * self.whitening), s=self._shape)
        return unknown.ravel()

    def _spread(self, shown: Real) -> NDArray[np.complex128]:
        return np.asarray(fft.rfft2((self.sampling.T @ shown).reshape(self._shape)))


def _system(probe: Complex, corner_yx: Real, height: int, width: int) -> _System:
    side = probe.shape[-1]
    # A margin of one patch keeps the two ends of the periodic grid apart.
    rows, columns = (fft.next_fast_len(-(-(extent + side) // SPACING_PX)) for extent in (height, width))
    kernels = flux_kernels(probe)
    bins = -(-side // SPACING_PX)
    binned = np.pad(kernels, [(0, 0), *[(0, bins * SPACING_PX - side)] * 2])
    binned = binned.reshape(3, bins, SPACING_PX, bins, SPACING_PX).sum(axis=(2, 4)) / kernels[0].sum()
    spectra = np.conj(fft.rfft2(binned, s=(rows, columns)))
    ky = 2 * np.pi / SPACING_PX * fft.fftfreq(rows)[:, None]
    kx = 2 * np.pi / SPACING_PX * fft.rfftfreq(columns)
    whitening = 1.0 / np.hypot(np.hypot(ky, kx), _LOWEST_RAD_PX)
    sampling = _bilinear(corner_yx / SPACING_PX, rows, columns)
    return _System(sampling, spectra, (1j * ky, 1j * kx), whitening, rows, columns)


def _bilinear(position_yx: Real, height: int, width: int) -> sparse.csr_array:
    """Reads a periodic row-major image at real-valued positions `(n, 2)`: `(n, height * width)`."""
    count = len(position_yx)
    base = np.floor(position_yx).astype(np.int32)
    fraction = position_yx - base
    # A scan spans 2^16 px at most, so bins can be counted in 32 bits.
    index, weight = np.empty((count, 4), np.int32), np.empty((count, 4))
    for tap, (dy, dx) in enumerate(np.ndindex(2, 2)):
        index[:, tap] = (base[:, 0] + dy) % height * width + (base[:, 1] + dx) % width
        weight[:, tap] = np.abs(1 - dy - fraction[:, 0]) * np.abs(1 - dx - fraction[:, 1])
    start = np.arange(0, 4 * count + 1, 4, dtype=np.int32)
    return sparse.csr_array((weight.ravel(), index.ravel(), start), shape=(count, height * width))
