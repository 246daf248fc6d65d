"""A blurred first guess of the object from three numbers of each pattern: its total and its centre
of mass (differential phase contrast).

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
_INTENSITY_PRIOR = 0.3
_LOWEST_RAD_PX = 1e-3
_DARKEST = 0.05


def pattern_moments(amplitude: Tensor) -> Tensor:
    """`(sum I, sum q_y I, sum q_x I)` of amplitudes `(n, N, N)` in FFT order, `(n, 3)` float64;
    q in radians per pixel of the object."""
    # A centre of mass is a small difference of large sums.
    intensity = amplitude.double().square()
    frequency = (
        2 * torch.pi * torch.fft.fftfreq(amplitude.shape[-1], dtype=intensity.dtype, device=amplitude.device)
    )
    rows, columns = intensity.sum(dim=-1), intensity.sum(dim=-2)
    return torch.stack([rows.sum(dim=-1), rows @ frequency, columns @ frequency], dim=-1)


def flux_kernels(probe: Complex) -> Real:
    """`|P|^2` and `Im(P* grad P)` along y and x, summed over modes: `(P, N, N)` to `(3, N, N)`."""
    frequency = 2 * np.pi * fft.fftfreq(probe.shape[-1])
    probe = probe.astype(np.complex128)
    spectrum = fft.fft2(probe)
    down, right = fft.ifft2(1j * frequency[:, None] * spectrum), fft.ifft2(1j * frequency * spectrum)
    products = (np.abs(probe) ** 2, (probe.conj() * down).imag, (probe.conj() * right).imag)
    return np.stack([product.sum(axis=0) for product in products]).astype(np.float64)


def coarse_object(
    moments: Real, probe: Complex, corner_yx: Real, height: int, width: int
) -> NDArray[np.complex64]:
    """`sqrt(a) exp(i phi)` that explains the moments best, `(H, W)`.

    The least squares of `T = |P|^2 * a` and `M = J * a + |P|^2 * grad phi`, J = `Im(P* grad P)` and
    `*` the correlation at the corners: linear, since `a` beside the phase is taken as its mean, 1.
    Little is said about what the moments do not see: nothing coarser or finer than the scan.

    moments `(n, 3)` of `pattern_moments`; probe `(P, N, N)`; corner_yx `(n, 2)`, where each patch
    starts in the object, real-valued.
    """
    system = _system(probe, corner_yx, height, width)
    kernels = flux_kernels(probe)
    flat = kernels.sum(axis=(1, 2))
    target = (moments - flat).T / flat[0]
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
    fields = [_enlarged(field)[:height, :width] for field in system.fields(solution)]
    intensity = np.maximum(1.0 + fields[0], _DARKEST)
    return np.asarray(np.sqrt(intensity) * np.exp(1j * fields[1]), np.complex64)


def _enlarged(field: Real) -> Real:
    """From bins to pixels, linear between their centres."""
    pixels = ndimage.zoom(field, SPACING_PX, order=1, mode="grid-wrap", grid_mode=True)
    return np.asarray(pixels, np.float64)


@attrs.frozen(eq=False)
class _System:
    """The linear map from whitened fields, bins of `SPACING_PX`, to totals and centres of mass.

    The unknowns are `(intensity - 1, phase)` times `|k|`, so that coarse and fine structure
    converge alike.
    """

    sampling: sparse.csr_array
    response: NDArray[np.complex128]
    colour: Real
    height: int
    width: int

    def _spectra(self, unknown: Real) -> NDArray[np.complex128]:
        fields = unknown.reshape(2, self.height, self.width)
        spectra: NDArray[np.complex128] = fft.rfft2(fields) * self.colour
        return spectra

    def fields(self, unknown: Real) -> Real:
        """Intensity minus 1 and phase, `(2, height, width)`."""
        return np.asarray(fft.irfft2(self._spectra(unknown), s=(self.height, self.width)))

    def forward(self, unknown: Real) -> Real:
        """`(3 n,)`: what every pattern would show."""
        spectra = np.einsum("mfyx,fyx->myx", self.response, self._spectra(unknown))
        shown = fft.irfft2(spectra, s=(self.height, self.width)).reshape(3, -1)
        return np.asarray((self.sampling @ shown.T).T.ravel())

    def adjoint(self, shown: Real) -> Real:
        """The transpose of `forward`."""
        spread = (self.sampling.T @ shown.reshape(3, -1).T).T.reshape(3, self.height, self.width)
        spectra = np.einsum("mfyx,myx->fyx", self.response.conj(), fft.rfft2(spread)) * self.colour
        return np.asarray(fft.irfft2(spectra, s=(self.height, self.width)).ravel())


def _system(probe: Complex, corner_yx: Real, height: int, width: int) -> _System:
    side = probe.shape[-1]
    # A margin of one patch keeps the two ends of the periodic grid apart.
    rows, columns = (fft.next_fast_len(-(-(extent + side) // SPACING_PX)) for extent in (height, width))
    kernels = flux_kernels(probe)
    bins = side // SPACING_PX
    binned = kernels.reshape(3, bins, SPACING_PX, bins, SPACING_PX).sum(axis=(2, 4)) / kernels[0].sum()
    light, flow_y, flow_x = fft.rfft2(binned, s=(rows, columns)).conj()
    ky = 2 * np.pi / SPACING_PX * fft.fftfreq(rows)[:, None]
    kx = 2 * np.pi / SPACING_PX * fft.rfftfreq(columns)
    nothing = np.zeros_like(light)
    response = np.array([[light, nothing], [flow_y, 1j * ky * light], [flow_x, 1j * kx * light]])
    whitening = 1.0 / np.hypot(np.hypot(ky, kx), _LOWEST_RAD_PX)
    colour = np.array([_INTENSITY_PRIOR, 1.0])[:, None, None] * whitening
    return _System(_bilinear(corner_yx / SPACING_PX, rows, columns), response, colour, rows, columns)


def _bilinear(position_yx: Real, height: int, width: int) -> sparse.csr_array:
    """Reads a periodic row-major image at real-valued positions `(n, 2)`: `(n, height * width)`."""
    base = np.floor(position_yx).astype(np.int64)
    fraction = position_yx - base
    index, weight = [], []
    for dy in (0, 1):
        for dx in (0, 1):
            index.append((base[:, 0] + dy) % height * width + (base[:, 1] + dx) % width)
            share = np.abs(1 - np.array([dy, dx]) - fraction)
            weight.append(share[:, 0] * share[:, 1])
    rows = np.tile(np.arange(len(position_yx)), 4)
    shape = (len(position_yx), height * width)
    return sparse.csr_array((np.concatenate(weight), (rows, np.concatenate(index))), shape=shape)
