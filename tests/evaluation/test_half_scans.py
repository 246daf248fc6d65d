"""Resolution and expected errors from the objects of two halves of a scan."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.half_scans import compare
from ptycho_torch.physics.exit_wave_update import photon_intensity
from ptycho_torch.physics.simulate import expected_counts, natural_object, simulate_scan
from ptycho_torch.reconstruction.simulated_scan import simulated_scan
from ptycho_torch.records import Canvas, Dataset, Geometry, Scan

SIDE = 128


def _canvas(values: NDArray[np.complex64], origin: tuple[int, int] = (0, 0)) -> Canvas:
    return Canvas(values, np.ones(values.shape, np.float32), origin)


def _noise(rng: np.random.Generator, deviation: float) -> NDArray[np.complex64]:
    drawn = rng.standard_normal((2, SIDE, SIDE)) * deviation
    return np.asarray(drawn[0] + 1j * drawn[1], np.complex64)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.floats(0.01, 0.04), st.floats(1, 2), st.floats(-3, 3))
def test_noise_of_known_size_is_found(seed: int, deviation: float, more: float, turn: float) -> None:
    """That of a repetition, or that of which the halves tell where it is more; whatever phase factor each has."""
    rng = np.random.default_rng(seed)
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    factor = np.complex64(np.exp(1j * turn))
    repeated = truth + _noise(rng, deviation)
    for size in (0.5 * deviation, more * deviation):
        # Half the difference of two halves has the noise of their mean.
        one, other = (truth + _noise(rng, size * 2**0.5) for _ in range(2))
        found = compare(_canvas(truth), (_canvas(one), _canvas(other * factor)), _canvas(repeated * factor), None)
        expected = max(size, deviation)
        np.testing.assert_allclose(np.median(found.modulus), expected, rtol=0.1)
        np.testing.assert_allclose(np.median(found.phase_rad * np.abs(truth)), expected, rtol=0.15)


def _scan(truth: NDArray[np.complex64]) -> Scan:
    """A scan with a row of pixels that measured nothing, a flux and a background."""
    made, rng = simulate_scan(truth, seed=0, photons=2e4, step_px=12.0), np.random.default_rng(0)
    valid_pixels, background = np.ones((64, 64), np.bool_), np.full((64, 64), 2.0, np.float32)
    valid_pixels[3] = False
    flux = rng.uniform(0.7, 1.3, len(made.counts))
    expected = expected_counts(truth, made.probe, made.position_yx) * flux[:, None, None] + background
    counts = rng.poisson(np.where(valid_pixels, expected, 0)).astype(np.float32)
    known = {"valid_pixels": valid_pixels, "flux": flux, "background": background}
    return normalise(Dataset("simulated", counts, made.position_yx, made.probe, **known))


def test_the_simulated_scan_is_the_measured_one_with_other_noise() -> None:
    """Its differences from the measured one are those of two draws of Poisson counts; another seed draws others."""
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    scan = _scan(truth)
    drawn = simulated_scan(scan, _canvas(truth), 1)
    rows = torch.arange(len(scan.centre_yx))
    measured, simulated = (one.amplitude[rows] for one in (scan, drawn))
    assert scan.valid_pixels is not None
    assert not simulated[:, ~scan.valid_pixels].any()
    photon = photon_intensity(measured)
    counts, others = (part.square() / photon for part in (measured, simulated))
    torch.testing.assert_close(others, others.round(), atol=1e-2, rtol=0)
    assert float((counts - others).square().sum() / (counts + others).sum()) == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(drawn.amplitude[rows.reshape(5, -1)].flatten(0, 1), simulated)
    assert not torch.equal(simulated_scan(scan, _canvas(truth), 2).amplitude[rows], simulated)


def test_more_noise_is_less_resolution_and_lengths_are_in_micrometres_where_known() -> None:
    """A half period of 1 px is the finest that there is."""
    rng = np.random.default_rng(1)
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    geometry = Geometry(pixel_m=(2e-8, 2e-8), origin_m=(0.0, 0.0))
    periods = []
    for deviation in (1e-4, 0.1, 0.5):
        halves = tuple(_canvas(truth + _noise(rng, deviation)) for _ in range(2))
        record = compare(_canvas(truth), (halves[0], halves[1]), _canvas(truth), geometry).record
        assert record.half_period_px is not None
        assert record.half_period_um == pytest.approx(0.02 * record.half_period_px, rel=1e-3)
        assert "\N{MICRO SIGN}m" in record.sentence
        periods.append(record.half_period_px)
    assert periods[0] == 1.0
    assert periods[0] < periods[1] < periods[2]


def test_halves_lie_on_the_canvas_of_the_whole() -> None:
    """A part that only one of them covers has no expected error, and what is the same in both none at all."""
    truth = np.asarray(natural_object("coins", "camera", SIDE), np.complex64)
    one, other = truth[:100], truth[20:]
    found = compare(_canvas(truth), (_canvas(one), _canvas(other, (20, 0))), _canvas(truth), None)
    assert np.isnan(found.modulus[:20]).all()
    assert np.isnan(found.modulus[100:]).all()
    np.testing.assert_allclose(found.modulus[20:100], 0, atol=1e-6)
    with pytest.raises(ValueError, match="in common"):
        compare(_canvas(truth), (_canvas(truth[:10]), _canvas(truth[100:], (100, 0))), _canvas(truth), None)
