"""Fourier ring correlation (FRC): the agreement of two images, frequency by frequency."""

import attrs
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.inexact]
Curve = NDArray[np.float64]
ONE_SEVENTH = 1 / 7
NYQUIST = 0.5


@attrs.frozen(eq=False)
class RingCorrelation:
    """Rings 0, 1, ... `(R,)`: frequency in cycles/px, correlation in [0, 1], number of Fourier pixels.

    Ring 0 is the mean of the images; rings beyond `NYQUIST` are the corners of Fourier space.
    """

    frequency: Curve
    correlation: Curve
    count: NDArray[np.int64]


@attrs.frozen
class Resolution:
    """The crossing of a ring correlation and its threshold: `frequency` in cycles/px and the half
    period `1 / (2 frequency)` in px, which is 1 px at Nyquist; None where no ring is above."""

    frequency: float
    half_period_px: float | None


def fourier_ring_correlation(one: Image, other: Image) -> RingCorrelation:
    """`FRC_k = |sum F1 F2*| / sqrt(sum |F1|^2 sum |F2|^2)`, sums over the ring `k = round(|q| N)`.

    q in cycles/px, N the smaller side. one, other: images `(H, W)`, complex or real. 0 where one of them has no power.
    Saxton & Baumeister, J. Microsc. 127, 127 (1982). Raises ValueError for images of different shapes.
    """
    if one.shape != other.shape or one.ndim != 2:
        raise ValueError(f"needs two images of one shape, got {one.shape} and {other.shape}")
    side = min(one.shape)
    radius = np.hypot(np.fft.fftfreq(one.shape[0])[:, None], np.fft.fftfreq(one.shape[1]))
    ring = np.round(radius * side).astype(int).ravel()
    first, second = (np.fft.fft2(image).ravel() for image in (one, other))
    product = first * np.conj(second)
    cross = np.hypot(np.bincount(ring, product.real), np.bincount(ring, product.imag))
    power = np.bincount(ring, np.abs(first) ** 2) * np.bincount(ring, np.abs(second) ** 2)
    correlation = np.divide(cross, np.sqrt(power), out=np.zeros_like(cross), where=power > 0)
    return RingCorrelation(np.arange(len(cross)) / side, correlation, np.bincount(ring))


def information_threshold(count: NDArray[np.int64], bits: float = 0.5) -> Curve:
    """`T = (S + 2 sqrt(S/n) + 1/sqrt(n)) / (S + 2 sqrt(S/n) + 1)`, `S = (2^bits - 1) / 2`: the
    correlation expected of rings of count = n Fourier pixels `(R,)` that carry `bits` of information each.

    `bits = 1/2` is the half-bit curve `(0.2071 + 1.9102/sqrt(n)) / (1.2071 + 0.9102/sqrt(n))` of van Heel & Schatz, J.
    Struct. Biol. 151, 250 (2005), eq. 17; S is the signal-to-noise ratio of each image, half of that of their average.
    All pixels of a ring count: the spectrum of a complex image has no symmetry.
    """
    signal, root = (2**bits - 1) / 2, np.sqrt(count)
    common = signal + 2 * np.sqrt(signal) / root
    threshold: Curve = (common + 1 / root) / (common + 1)
    return threshold


def crossing(curve: Curve, threshold: float | Curve) -> float:
    """The position, in elements and by linear interpolation, where the curve `(R,)` first falls below
    the threshold, a number or `(R,)`: 0 where it starts below, R where it never does."""
    excess = curve - threshold
    below = np.flatnonzero(excess < 0)
    if len(below) == 0:
        return float(len(curve))
    after = int(below[0])
    if after == 0:
        return 0.0
    return after - 1 + float(excess[after - 1] / (excess[after - 1] - excess[after]))


def resolution(rings: RingCorrelation, threshold: float | Curve) -> Resolution:
    """The first crossing of the rings and a threshold, a number or one a ring `(R,)`, between ring 1 and
    Nyquist: ring 0 is the mean, without detail, and rings beyond Nyquist are incomplete.
    """
    used = slice(1, int(np.searchsorted(rings.frequency, NYQUIST, side="right")))
    limit = np.broadcast_to(threshold, rings.correlation.shape)[used]
    where = crossing(rings.correlation[used], limit)
    if where == 0:
        return Resolution(0.0, None)
    frequency = min(NYQUIST, (1 + where) * float(rings.frequency[1]))
    return Resolution(frequency, 0.5 / frequency)
