"""Ring correlation: golden curve, equal images, noise, thresholds and cut-offs."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.evaluation.fourier_ring import (
    NYQUIST,
    ONE_SEVENTH,
    RingCorrelation,
    crossing,
    fourier_ring_correlation,
    information_threshold,
    resolution,
)

GOLDEN = np.load(Path(__file__).parents[1] / "parity" / "physics" / "vectors" / "frc.npz")


def _noise(seed: int, shape: tuple[int, int] = (64, 64)) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def _rings(correlation: list[float], side: int = 20) -> RingCorrelation:
    count = np.full(len(correlation), 100)
    return RingCorrelation(np.arange(len(correlation)) / side, np.array(correlation), count)


def test_curve_axis_and_cut_offs_are_the_golden_ones() -> None:
    """All rings with the corners; frequencies in cycles/px are half of those relative to Nyquist."""
    rings = fourier_ring_correlation(GOLDEN["target"], GOLDEN["pred"])
    np.testing.assert_allclose(rings.correlation, GOLDEN["fsc"], rtol=1e-10)
    np.testing.assert_allclose(2 * rings.frequency, GOLDEN["x_nyquist"], rtol=1e-12)
    assert crossing(rings.correlation, 0.5) == pytest.approx(float(GOLDEN["cut50"]), rel=1e-12)
    assert crossing(rings.correlation, ONE_SEVENTH) == pytest.approx(float(GOLDEN["cut17"]), rel=1e-12)


def test_the_golden_threshold_is_too_low_by_its_missing_root() -> None:
    """It has `2 sqrt(S)/n` for `2 sqrt(S)/sqrt(n)`; the noise of a mean over n pixels falls with the
    root of n, so the published curve lies above it, and meets it for large n and at n = 1."""
    ring = np.arange(17)
    n = np.where(ring == 0, 1, 2 * np.pi * ring)
    signal = float(GOLDEN["SNRt"])
    common = signal + 2 * np.sqrt(signal) / n
    np.testing.assert_allclose((common + 1 / np.sqrt(n)) / (common + 1), GOLDEN["threshold"], rtol=1e-6)
    published = information_threshold(n)
    assert (published[1:] > GOLDEN["threshold"][1:]).all()
    assert published[0] == pytest.approx(GOLDEN["threshold"][0])


def test_the_half_bit_curve_is_the_published_one() -> None:
    """To the four digits that van Heel & Schatz 2005 print; one bit needs more correlation."""
    count = np.array([1, 8, 50, 1000])
    root = np.sqrt(count)
    printed = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    np.testing.assert_allclose(information_threshold(count), printed, atol=1e-4)
    assert (information_threshold(count, bits=1.0)[1:] > information_threshold(count)[1:]).all()


@given(st.complex_numbers(min_magnitude=0.01, max_magnitude=100), st.integers(0, 100))
def test_equal_images_correlate_fully(factor: complex, seed: int) -> None:
    """1 on every ring whatever the complex factor; resolved to Nyquist."""
    image = _noise(seed, (24, 31))
    rings = fourier_ring_correlation(image, factor * image)
    np.testing.assert_allclose(rings.correlation, 1.0, rtol=1e-9)
    assert resolution(rings, information_threshold(rings.count)).half_period_px == 1.0


def test_independent_noise_carries_no_information() -> None:
    """Below half a bit on 95 % of the rings, and never resolved finely."""
    for seed in range(10):
        rings = fourier_ring_correlation(_noise(seed), _noise(seed + 100))
        below = rings.correlation < information_threshold(rings.count)
        assert below[2:33].mean() > 0.95
        assert resolution(rings, information_threshold(rings.count)).frequency < 0.1


def test_rings_of_a_rectangle_have_the_frequencies_of_a_square() -> None:
    """An image that is low-passed at 0.2 cycles/px and a noisy copy part at 0.2, whatever the frame."""
    for shape in ((64, 64), (64, 100), (90, 64)):
        radius = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
        image = np.fft.ifft2(np.where(radius < 0.2, np.fft.fft2(_noise(0, shape)), 0))
        rings = fourier_ring_correlation(image, image + 0.01 * _noise(1, shape))
        assert rings.count.sum() == shape[0] * shape[1]
        assert resolution(rings, 0.5).frequency == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("curve", "where"), [([1.0, 0.8, 0.4, 0.9], 1.75), ([0.4, 0.9], 0.0), ([0.9, 0.9], 2.0), ([0.9, 0.5, 0.1], 1.0)]
)
def test_a_curve_is_cut_where_it_first_falls_below(curve: list[float], where: float) -> None:
    """By linear interpolation; at once; never; and where it touches the threshold before it falls."""
    assert crossing(np.array(curve), 0.5) == pytest.approx(where)


def test_a_cut_off_is_a_frequency_and_a_half_period() -> None:
    """Ring 0, the mean, does not count; 1 px is the end; nothing resolved has no period."""
    found = resolution(_rings([0.0, 1.0, 0.8, 0.4, 0.1]), 0.5)
    assert found.frequency == pytest.approx(2.75 / 20)
    assert found.half_period_px == pytest.approx(20 / 5.5)
    assert resolution(_rings([1.0] * 15), 0.5).frequency == NYQUIST
    assert resolution(_rings([1.0, 0.4, 0.9]), 0.5).half_period_px is None


def test_images_of_different_shape_are_refused() -> None:
    """With both shapes."""
    with pytest.raises(ValueError, match=r"\(64, 64\) and \(32, 32\)"):
        fourier_ring_correlation(_noise(0), _noise(0, (32, 32)))
