"""Resolution and expected errors of an object without a truth, from other reconstructions.

Resolution: where the objects of two halves of the scan agree. Errors: the scan that the object would give, with other
noise, is reconstructed as the measured one was, and what comes out differs from the object about as the object differs
from the truth (parametric bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993)): by noise, by passes
that were too few, and by what the denoiser takes away, as far as it left something of that kind. Where the halves
differ by more, the noise is not only that of counts, and the errors are larger by as much.
"""

from collections.abc import Callable

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_torch.evaluation.fourier_ring import fourier_ring_correlation, information_threshold, resolution
from ptycho_torch.output.choice_records import HalvesRecord
from ptycho_torch.output.report_figures import HalfScans
from ptycho_torch.reconstruction.half_scans import half_scans
from ptycho_torch.reconstruction.simulated_scan import simulated_scan
from ptycho_torch.records import Canvas, Geometry, Scan

Complex64 = NDArray[np.complex64]
# Where both halves have this part of their largest illumination.
COMMON = 0.1
# The squares of differences are averaged over a Gaussian of so many px.
AVERAGED_PX = 6.0
_TINY = float(np.finfo(np.float32).tiny)


@attrs.frozen(eq=False)
class Deviations:
    """Expected errors on a canvas: of the modulus, in its unit, and of the phase in rad, float32 `(H, W)` each, NaN
    where not both halves of the scan are lit; and what report and record say."""

    modulus: NDArray[np.float32]
    phase_rad: NDArray[np.float32]
    figures: HalfScans
    record: HalvesRecord

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The maps by their names in files."""
        return {"modulus_deviation": self.modulus, "phase_deviation_rad": self.phase_rad}


def find_deviations(
    scan: Scan, whole: Canvas, again: Callable[[Scan], Canvas], geometry: Geometry | None, *, seed: int
) -> Deviations:
    """Resolution and expected errors of the object `whole` of a scan.

    again: reconstructs another scan of the same instrument as that of the object was; called three times. geometry: for
    lengths in metres, None where it is not known; seed: of the simulated counts. Raises ValueError where the halves
    have nothing in common.
    """
    one, other = half_scans(scan)
    return compare(whole, (again(one), again(other)), again(simulated_scan(scan, whole, seed)), geometry)


def compare(whole: Canvas, halves: tuple[Canvas, Canvas], repeated: Canvas, geometry: Geometry | None) -> Deviations:
    """Resolution and errors of the object `whole` from those of the two halves of its scan and that of the simulated
    scan, `repeated`; geometry: for lengths in metres, None where it is not known. Raises ValueError where the halves
    have nothing in common."""
    (one, first), (other, second) = (_place(half, whole) for half in halves)
    common = (first > COMMON * first.max()) & (second > COMMON * second.max())
    if not common.any():
        raise ValueError("the halves of the scan have no lit pixel in common")
    again, _ = _place(repeated, whole)
    one, other, again = (_match(part, whole.object, common) for part in (one, other, again))
    seen = _deviations((one - other) / 2, whole.object, common)
    modulus, phase = (
        expected * max(1.0, float(np.nanmedian(half)) / max(float(np.nanmedian(expected)), _TINY))
        for half, expected in zip(seen, _deviations(again - whole.object, whole.object, common), strict=True)
    )
    box = np.ix_(*(np.flatnonzero(common.any(axis=axis)) for axis in (1, 0)))
    rings = fourier_ring_correlation(*(_frame(part[box]) for part in (one, other)))
    threshold = information_threshold(rings.count)
    found = resolution(rings, threshold)
    pixel = None if geometry is None else max(geometry.pixel_m)
    period = found.half_period_px
    record = HalvesRecord(
        half_period_px=None if period is None else round(period, 3),
        half_period_um=None if period is None or pixel is None else round(period * pixel * 1e6, 6),
        modulus_deviation=round(float(np.nanmedian(modulus)), 6),
        phase_deviation_rad=round(float(np.nanmedian(phase)), 6),
    )
    figures = HalfScans(rings.frequency, rings.correlation, threshold, record.sentence, phase)
    return Deviations(modulus, phase, figures, record)


def _place(half: Canvas, whole: Canvas) -> tuple[Complex64, NDArray[np.float32]]:
    """Object and illumination of a half on the canvas of the whole, 0 where it has none."""
    object_, illumination = np.zeros_like(whole.object), np.zeros_like(whole.illumination)
    start = np.subtract(half.origin_yx, whole.origin_yx)
    low = np.maximum(start, 0)
    high = np.minimum(start + half.object.shape, whole.object.shape)
    here = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    there = tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))
    object_[here], illumination[here] = half.object[there], half.illumination[there]
    return object_, illumination


def _match(part: Complex64, whole: Complex64, common: NDArray[np.bool_]) -> Complex64:
    """A half times the factor that brings it nearest to the whole where it is lit."""
    here = part[common]
    return np.asarray(part * (np.vdot(here, whole[common]) / np.vdot(here, here).real), np.complex64)


def _deviations(
    difference: Complex64, whole: Complex64, common: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The local rms of a difference along the object and across it, in rad; NaN outside of `common`."""
    modulus = np.abs(whole)
    turned = difference * np.exp(-1j * np.angle(whole))
    weight = np.maximum(gaussian_filter(common.astype(np.float64), AVERAGED_PX), np.finfo(np.float32).eps)

    def spread(part: NDArray[np.float32]) -> NDArray[np.float64]:
        squares = gaussian_filter(np.where(common, part, 0.0).astype(np.float64) ** 2, AVERAGED_PX)
        return np.asarray(np.sqrt(squares / weight), np.float64)

    radial = spread(turned.real)
    angle = spread(turned.imag) / np.maximum(modulus, _TINY)
    dark = np.float32(np.nan)
    return np.where(common, radial, dark).astype(np.float32), np.where(common, angle, dark).astype(np.float32)


def _frame(part: Complex64) -> Complex64:
    """A `part` without its mean, which falls to 0 at its borders."""
    window = np.hanning(part.shape[0])[:, None] * np.hanning(part.shape[1])
    mean = (part * window).sum() / window.sum()
    return np.asarray((part - mean) * window, np.complex64)
