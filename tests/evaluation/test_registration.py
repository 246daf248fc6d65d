"""Registration: shifts are recovered with their sign whatever ptychography cannot know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import fourier_shift, gaussian_filter

from ptycho_torch.evaluation.registration import Complex, align, central_area, find_shift, shared_area, shift_image
from ptycho_torch.physics.simulate import natural_object

Y, X = np.indices((96, 110))


def _world() -> Complex:
    sharp = natural_object("camera", "coins", 192).astype(np.complex128)
    return gaussian_filter(sharp.real, 0.8) + 1j * gaussian_filter(sharp.imag, 0.8)


WORLD = {
    "amplitude and phase": _world(),
    "phase only": np.exp(1j * np.angle(_world())),
    "strong phase only": np.exp(3j * np.angle(_world())),
}


def _seen(world: Complex, shift_yx: tuple[float, float]) -> Complex:
    """A window on a world that goes on beyond it, as an object does: its borders do not match."""
    moved: Complex = np.fft.ifft2(fourier_shift(np.fft.fft2(world), np.negative(shift_yx)))
    return moved[48:144, 40:150]


def _noise(shape: tuple[int, ...]) -> NDArray[np.complex128]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


@pytest.mark.parametrize("kind", WORLD)
@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.3), (3.3, -2.7), (-12.45, 7.7), (20.1, -17.5)])
def test_a_shift_is_undone_although_the_borders_do_not_match(kind: str, shift: tuple[float, float]) -> None:
    """To 0.01 px with its sign, under a complex factor and a phase ramp of several wraps."""
    unknowable = 3 * np.exp(1j * (2 + 0.07 * Y - 0.3 * X))
    aligned = align(unknowable * _seen(WORLD[kind], shift), _seen(WORLD[kind], (0, 0)))
    np.testing.assert_allclose(aligned.shift_yx, shift, atol=0.0101)
    assert np.linalg.norm(aligned.image - aligned.reference) < 0.02 * np.linalg.norm(aligned.reference)


@pytest.mark.parametrize("kind", WORLD)
def test_noise_costs_little_accuracy(kind: str) -> None:
    """10 % complex noise leaves the shift right to a twentieth of a pixel."""
    image = _seen(WORLD[kind], (3.3, -2.7))
    aligned = align(image + 0.1 * _noise(image.shape), _seen(WORLD[kind], (0, 0)))
    np.testing.assert_allclose(aligned.shift_yx, (3.3, -2.7), atol=0.05)


@settings(max_examples=10, deadline=None)
@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.complex_numbers(min_magnitude=0.1, max_magnitude=10))
def test_factor_phase_and_ramp_do_not_change_what_is_compared(slope_y: float, slope_x: float, factor: complex) -> None:
    """Aligned images of one object are that object."""
    truth = _seen(WORLD["amplitude and phase"], (0, 0))
    aligned = align(factor * np.exp(1j * (slope_y * Y + slope_x * X)) * truth, truth)
    np.testing.assert_allclose(aligned.image, aligned.reference, atol=1e-6)


def test_positive_shifts_move_down_and_right() -> None:
    """By whole pixels the Fourier shift is a roll, but for the borders."""
    image = _seen(WORLD["amplitude and phase"], (0, 0))
    moved = shift_image(image, np.array([3.0, -2.0]))
    np.testing.assert_allclose(moved[3:, :-2], image[:-3, 2:], atol=1e-12)
    np.testing.assert_allclose(find_shift(moved, image), (-3, 2), atol=0.15)


def test_the_wrong_sign_doubles_the_error_and_is_caught() -> None:
    """Shifting by the negative of what was found leaves more than five times the distance."""
    truth, image = (_seen(WORLD["amplitude and phase"], shift) for shift in ((0, 0), (0.4, -0.3)))
    found = align(image, truth).shift_yx
    inside = np.s_[4:-4, 4:-4]
    right, wrong = (np.linalg.norm((shift_image(image, s) - truth)[inside]) for s in (found, -found))
    assert wrong > 5 * right


def test_the_common_area_follows_offsets_or_centres() -> None:
    """Pixels that meet are the same pixels; what does not meet is empty."""
    whole = np.arange(60.0 * 50).reshape(60, 50).astype(complex)
    for image, kept in (
        shared_area(whole[10:40, 20:], whole, (10, 20)),
        shared_area(whole, whole[10:40, 20:], (-10, -20)),
        central_area(whole[10:50, 5:45], whole),
    ):
        np.testing.assert_array_equal(image, kept)
        assert image.size > 800
    assert shared_area(whole, whole, (60, 0))[0].size == 0
    assert shared_area(whole, whole, (0, -70))[1].size == 0


def test_a_flat_image_stays_where_it_is() -> None:
    """Where nothing can be found, nothing is moved far."""
    truth = _seen(WORLD["amplitude and phase"], (0, 0))
    np.testing.assert_array_equal(find_shift(np.ones_like(truth), truth), 0)
    aligned = align(np.ones_like(truth), truth)
    assert np.abs(aligned.shift_yx).max() <= 2
    assert min(aligned.image.shape) > 86
