"""Resolution and expected errors from the objects of two halves of a scan."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.evaluation.half_scans import MODULUS_FACTOR, PHASE_FACTOR, compare_halves
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.records import Canvas, Geometry

SIDE = 128


def _canvas(values: NDArray[np.complex64], origin: tuple[int, int] = (0, 0)) -> Canvas:
    return Canvas(values, np.ones(values.shape, np.float32), origin)


def _noise(rng: np.random.Generator, deviation: float) -> NDArray[np.complex64]:
    drawn = rng.standard_normal((2, SIDE, SIDE)) * deviation
    return np.asarray(drawn[0] + 1j * drawn[1], np.complex64)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(0.01, 0.1), st.floats(-3, 3))
def test_noise_of_known_size_is_found(seed: int, deviation: float, turn: float) -> None:
    """Half the difference of two halves has the noise of their mean, whatever phase factor each half has."""
    rng = np.random.default_rng(seed)
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    one, other = truth + _noise(rng, deviation), truth + _noise(rng, deviation)
    found = compare_halves(
        _canvas(np.asarray((one + other) / 2, np.complex64)),
        (_canvas(one), _canvas(np.asarray(other * np.exp(1j * turn), np.complex64))),
        None,
    )
    expected = deviation / 2**0.5
    np.testing.assert_allclose(np.median(found.modulus) / MODULUS_FACTOR, expected, rtol=0.1)
    np.testing.assert_allclose(np.median(found.phase_rad * np.abs(one)) / PHASE_FACTOR, expected, rtol=0.15)


def test_more_noise_is_less_resolution_and_lengths_are_in_micrometres_where_known() -> None:
    """A half period of 1 px is the finest that there is."""
    rng = np.random.default_rng(1)
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    geometry = Geometry(pixel_m=(2e-8, 2e-8), origin_m=(0.0, 0.0))
    periods = []
    for deviation in (1e-4, 0.1, 0.5):
        halves = tuple(_canvas(truth + _noise(rng, deviation)) for _ in range(2))
        record = compare_halves(_canvas(truth), (halves[0], halves[1]), geometry).record
        assert record.half_period_px is not None
        assert record.half_period_um == pytest.approx(0.02 * record.half_period_px, rel=1e-3)
        assert "um" in record.sentence
        periods.append(record.half_period_px)
    assert periods[0] == 1.0
    assert periods[0] < periods[1] < periods[2]


def test_halves_lie_on_the_canvas_of_the_whole() -> None:
    """A part that only one of them covers has no expected error, and what is the same in both none at all."""
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    one, other = truth[:100], truth[20:]
    found = compare_halves(_canvas(truth), (_canvas(one), _canvas(other, (20, 0))), None)
    assert np.isnan(found.modulus[:20]).all()
    assert np.isnan(found.modulus[100:]).all()
    np.testing.assert_allclose(found.modulus[20:100], 0, atol=1e-6)
    with pytest.raises(ValueError, match="in common"):
        compare_halves(_canvas(truth), (_canvas(truth[:10]), _canvas(truth[100:], (100, 0))), None)
