"""Normalised probes, their scales, and masks that are given."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import far_field, power
from tests.parity.physics.formulas.probes import field_scale, given_mask, normalise_probe
from tests.strategies.fields import complex_field

seeds = st.integers(0, 2**31)
units = st.floats(1e-3, 1e3)


@given(seeds, st.floats(0.1, 100.0), units)
def test_a_normalised_probe_has_its_mean_modulus(seed: int, probe_scale: float, unit: float) -> None:
    """Over all modes, whose powers keep their ratio; the unit of the file does not matter."""
    probe = unit * complex_field(2, 8, 8, seed=seed)
    made = normalise_probe(probe, probe_scale)
    assert float(made.probe.abs().mean()) == pytest.approx(1 / probe_scale)
    torch.testing.assert_close(made.probe, probe * made.factor)


def test_a_mask_decides_the_factor_and_does_not_touch_the_probe() -> None:
    """What is outside it does not count, and stays."""
    probe, mask = complex_field(8, 8, seed=0), torch.zeros(8, 8)
    mask[2:6, 2:6] = 1
    made = normalise_probe(probe, 4.0, mask)
    assert float((made.probe.abs() * mask).mean()) == pytest.approx(0.25)
    torch.testing.assert_close(made.probe / probe, torch.full_like(probe, made.factor))


@given(seeds, st.floats(0.1, 10.0))
def test_the_field_scale_undoes_the_normalisation(seed: int, probe_scale: float) -> None:
    """A normalised probe predicts what the probe of the file does."""
    probe, patch = complex_field(2, 8, 8, seed=seed), complex_field(8, 8, seed=seed + 1)
    made = normalise_probe(probe, probe_scale)
    field = field_scale(torch.tensor(made.factor, dtype=torch.float64)) * made.probe * patch
    torch.testing.assert_close(power(far_field(field)), power(far_field(probe * patch)))


def test_probes_without_a_scale_are_refused() -> None:
    """Named, with their value."""
    probe = torch.ones(4, 4, dtype=torch.complex64)
    with pytest.raises(ValueError, match="probe_scale must be positive and finite, got 0"):
        normalise_probe(probe, 0.0)
    with pytest.raises(ValueError, match="mean modulus of the probe must"):
        normalise_probe(0 * probe, 4.0)
    with pytest.raises(ValueError, match="mean modulus of the probe under its mask"):
        normalise_probe(probe, 4.0, torch.zeros(4, 4))
    with pytest.raises(ValueError, match="factor of the probe"):
        field_scale(torch.zeros(1))
    with pytest.raises(ValueError, match="physics scale"):
        field_scale(torch.ones(1), -torch.ones(1))


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1), (1, 1, 16, 16)])
def test_a_mask_made_elsewhere_is_kept(shape: tuple[int, ...]) -> None:
    """In every layout that people store it in."""
    mask = torch.rand(16, 16)
    assert torch.equal(given_mask(mask.reshape(shape), 16), mask)


def test_a_mask_that_makes_no_sense_is_refused() -> None:
    """Another size, negative weights, missing values."""
    with pytest.raises(ValueError, match=r"must be \(16, 16\), got \(8, 16\)"):
        given_mask(torch.ones(8, 16), 16)
    for value in (-0.5, torch.nan):
        with pytest.raises(ValueError, match="finite and not negative"):
            given_mask(torch.full((16, 16), value), 16)
