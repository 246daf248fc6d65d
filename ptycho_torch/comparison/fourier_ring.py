"""Fourier ring correlation: how far two images agree, frequency by frequency."""

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.signal.windows import tukey

Complex = NDArray[np.complexfloating]
Curve = NDArray[np.float64]
ONE_SEVENTH = 1 / 7
TAPER_PX = 20


@attrs.frozen(eq=False)
class RingCorrelation:
    """Correlation of each ring, its frequency in cycles per px, and its number of pixels."""

    frequency: Curve
    correlation: Curve
    count: NDArray[np.int64]


def tapered(image: Complex) -> Complex:
    """The image, faded to its mean over `TAPER_PX` at each border, so that the edges of the frame
    do not correlate with each other."""
    mean = image.mean()
    windows = [tukey(n, min(1.0, 2 * TAPER_PX / n)) for n in image.shape]
    faded: Complex = mean + (image - mean) * windows[0][:, None] * windows[1]
    return faded


def square(image: Complex) -> Complex:
    """The central square."""
    side = min(image.shape)
    top, left = ((n - side) // 2 for n in image.shape)
    return image[top : top + side, left : left + side]


def fourier_ring_correlation(one: Complex, other: Complex) -> RingCorrelation:
    """`FRC(k) = |sum F1 F2*| / sqrt(sum |F1|^2 sum |F2|^2)` over rings `k = round(|q|)`, q in
    frequency steps from the centre (Saxton & Baumeister 1982). Images `(N, N)`, of one shape."""
    side = one.shape[0]
    if one.shape != other.shape or one.shape[1] != side:
        raise ValueError(f"needs two square images of one shape, got {one.shape} and {other.shape}")
    axis = np.arange(side) - side // 2
    ring = np.round(np.hypot(axis[:, None], axis)).astype(int).ravel()
    first, second = (np.fft.fftshift(np.fft.fft2(image)).ravel() for image in (one, other))
    product = first * np.conj(second)
    cross = np.bincount(ring, product.real) + 1j * np.bincount(ring, product.imag)
    power = np.bincount(ring, np.abs(first) ** 2) * np.bincount(ring, np.abs(second) ** 2)
    correlation = np.abs(cross) / np.sqrt(np.where(power > 0, power, 1.0))
    return RingCorrelation(np.arange(len(cross)) / side, correlation, np.bincount(ring))


def half_bit(count: NDArray[np.int64]) -> Curve:
    """`T = (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 / sqrt(n))`: the correlation of a ring of n
    pixels that carry half a bit each (van Heel & Schatz 2005)."""
    root = np.sqrt(count)
    threshold: Curve = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    return threshold


def cutoff(curve: Curve, threshold: float | Curve) -> float:
    """The ring, by linear interpolation, where the curve first falls below the threshold: 0 where
    it starts below, the number of rings where it never does."""
    excess = curve - threshold
    below = np.flatnonzero(excess < 0)
    if len(below) == 0:
        return float(len(curve))
    ring = int(below[0])
    if ring == 0:
        return 0.0
    before, after = excess[ring - 1], excess[ring]
    return ring - 1 + float(before / (before - after))
