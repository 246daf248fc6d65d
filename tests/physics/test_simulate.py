"""The simulator obeys the physics that the network is trained with."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import diffraction_intensity, shift_probe
from ptycho_torch.physics.simulate import defocused_probe, expected_counts, natural_object, simulate_scan


@given(st.floats(20, 30), st.floats(20, 30))
def test_the_simulator_and_the_forward_model_agree(y: float, x: float) -> None:
    """A pattern simulated in numpy is the one torch predicts from the cut object."""
    truth = np.exp(1j * np.add.outer(np.sin(np.arange(48)), np.cos(np.arange(48)))).astype(np.complex64)
    probe = defocused_probe(16, 4.0, 2.0)[None]
    counts = expected_counts(truth, probe, np.array([[y, x]]))[0]
    row, column = round(y) - 8, round(x) - 8
    moved = shift_probe(torch.from_numpy(probe), torch.tensor([[y - round(y), x - round(x)]]))
    patch = torch.from_numpy(truth[row : row + 16, column : column + 16])[None]
    expected = torch.fft.fftshift(diffraction_intensity(patch, moved)[0]).numpy()
    np.testing.assert_allclose(counts, expected, rtol=1e-3, atol=1e-6)


def test_a_simulated_scan_has_the_asked_photons_and_stays_on_the_object() -> None:
    """Counts are whole numbers of the asked mean, and every patch lies inside."""
    scan = simulate_scan(natural_object("camera", "coins", 128), seed=1, photons=1e5)
    assert np.array_equal(scan.counts, np.round(scan.counts))
    assert abs(scan.counts.sum(axis=(1, 2)).mean() / 1e5 - 1) < 0.01
    corner = np.round(scan.position_yx) - 32
    assert corner.min() >= 0
    assert corner.max() + 64 <= 128


def test_the_defocused_spot_has_its_geometric_size() -> None:
    """90 % of the light falls within the geometric radius `N D / (pi q0)`, most of it not in a point."""
    probe = defocused_probe(64, pupil_px=10.0, defocus_rad=6.0)
    power = np.abs(probe) ** 2
    radius = np.hypot(*np.meshgrid(np.arange(64) - 32, np.arange(64) - 32))
    assert power[radius < 64 * 6 / (np.pi * 10) * 1.15].sum() > 0.9
    assert power[radius < 3].sum() < 0.5
    assert np.isclose(power.sum(), 1, atol=1e-5)


@pytest.mark.parametrize("place", [0.0, 31.0])
def test_a_patch_that_leaves_the_object_is_refused(place: float) -> None:
    """At either side; nothing wraps around."""
    probe = defocused_probe(16, 4.0, 2.0)[None]
    with pytest.raises(ValueError, match=r"16 px leaves the object of shape \(32, 32\)"):
        expected_counts(np.ones((32, 32), np.complex64), probe, np.full((1, 2), place))
