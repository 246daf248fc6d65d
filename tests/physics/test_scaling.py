"""Scales: what they promise of the scaled patterns, in every layout, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import far_field, power
from ptycho_torch.physics.scaling import (
    CountStatistics,
    count_statistics,
    energy_scale,
    field_scale,
    intensity_scale,
    normalise_probe,
    physics_scale,
    rms_input_scale,
)
from tests.strategies.fields import complex_field

seeds = st.integers(0, 2**31)
units = st.floats(1e-3, 1e3)


def _amplitude(seed: int, *shape: int) -> torch.Tensor:
    return complex_field(*shape, seed=seed).abs()


@given(seeds, units)
def test_scaled_patterns_have_unit_mean_intensity(seed: int, unit: float) -> None:
    """A pixel, over the scan or over each group, whatever the unit of the file."""
    groups = unit * _amplitude(seed, 3, 4, 8, 8)
    whole = (rms_input_scale(groups) * groups).square()
    assert float(whole.mean()) == pytest.approx(1)
    each = (rms_input_scale(groups, "Group") * groups).square()
    torch.testing.assert_close(each.mean(dim=(1, 2, 3)), torch.ones(3).double())


@given(seeds)
def test_the_brightest_pattern_has_unit_sum(seed: int) -> None:
    """Of the scan, or of each group."""
    groups = _amplitude(seed, 3, 4, 8, 8)
    whole, each = (rms_input_scale(groups, over, "Max") * groups for over in ("Batch", "Group"))
    assert float(whole.sum(dim=(-2, -1)).max()) == pytest.approx(1)
    torch.testing.assert_close(each.sum(dim=(-2, -1)).amax(dim=1), torch.ones(3).double())


@given(seeds)
def test_a_mean_pattern_has_unit_sum_in_the_loss(seed: int) -> None:
    """Amplitudes are summed, not squared; "Max" is the scale of the input."""
    groups = _amplitude(seed, 3, 4, 8, 8)
    scaled = physics_scale(groups, "Group") * groups
    torch.testing.assert_close(scaled.sum(dim=(-2, -1)).mean(dim=1), torch.ones(3).double())
    torch.testing.assert_close(physics_scale(groups, "Group", "Max"), rms_input_scale(groups, "Group", "Max"))


def test_a_scale_broadcasts_over_its_patterns_in_their_precision() -> None:
    """One for a scan `(n, N, N)`, one or B for groups; groups of one are scaled with their scan."""
    scan, groups, singles = (torch.rand(shape) + 0.1 for shape in ((5, 8, 8), (5, 4, 8, 8), (5, 1, 8, 8)))
    assert rms_input_scale(scan, "Group").shape == (1, 1, 1)
    assert rms_input_scale(groups).shape == (1, 1, 1, 1)
    assert rms_input_scale(groups, "Group").shape == (5, 1, 1, 1)
    assert rms_input_scale(singles, "Group").shape == (1, 1, 1, 1)
    assert rms_input_scale(groups).dtype == torch.float32


def test_sums_do_not_overflow_or_lose_small_patterns() -> None:
    """Single precision alone would have lost one or the other."""
    assert float(rms_input_scale(torch.full((2, 8, 8), 1e25))) == pytest.approx(1e-25)
    many = torch.full((4096, 64, 64), 1.0)
    many[0] = 4096.0
    expected = (many.numel() / (many.numel() - 64**2 + 64**2 * 4096.0**2)) ** 0.5
    assert float(rms_input_scale(many)) == pytest.approx(expected, rel=1e-6)


@given(seeds, st.floats(1.0, 1e9))
def test_scaled_amplitudes_are_roots_of_so_many_photons(seed: int, nphotons: float) -> None:
    """On average over the patterns."""
    amplitude = _amplitude(seed, 5, 8, 8)
    counts = (intensity_scale(amplitude, nphotons) * amplitude).square()
    assert float(counts.sum(dim=(-2, -1)).mean()) == pytest.approx(nphotons)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    """Counts that are read in chunks; the formulas by hand."""
    counts = torch.poisson(torch.full((7, 8, 8), 20.0), torch.Generator().manual_seed(0))
    whole, parts = count_statistics([counts]), count_statistics(counts.split(3))
    assert isinstance(whole, CountStatistics)
    assert parts.rms_input_scale == pytest.approx(whole.rms_input_scale)
    assert whole.mean_measured_intensity == pytest.approx(float(counts.mean()))
    energy = float(counts.double().square().sum()) / 7
    assert whole.rms_input_scale == pytest.approx((4**2 / energy) ** 0.5)
    assert float(energy_scale(counts, 4.0**2, "Batch")) == pytest.approx(whole.rms_input_scale)


@given(seeds, st.floats(0.1, 100.0), units)
def test_a_normalised_probe_has_its_mean_modulus(seed: int, probe_scale: float, unit: float) -> None:
    """Over all modes, whose powers keep their ratio; the unit of the file does not matter."""
    probe = unit * complex_field(2, 8, 8, seed=seed)
    made = normalise_probe(probe, probe_scale)
    assert float(made.probe.abs().mean()) == pytest.approx(1 / probe_scale)
    torch.testing.assert_close(made.probe, probe * made.factor)


def test_a_mask_decides_the_factor_and_does_not_touch_the_probe() -> None:
    """Light outside it does not count, and stays."""
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


@pytest.mark.parametrize(
    ("amplitude", "found"),
    [
        (torch.zeros(2, 4, 4), "0"),
        (torch.full((2, 4, 4), torch.nan), "nan"),
        (torch.full((2, 4, 4), torch.inf), "inf"),
    ],
)
def test_patterns_without_energy_are_refused(amplitude: torch.Tensor, found: str) -> None:
    """By every scale, with the quantity and what it is."""
    with pytest.raises(
        ValueError, match=rf"mean energy sum X\^2 of the patterns must be positive.*got {found}"
    ):
        rms_input_scale(amplitude)
    with pytest.raises(ValueError, match=f"sum of amplitudes of a pattern must be positive.*got {found}"):
        physics_scale(amplitude)
    with pytest.raises(ValueError, match="mean energy"):
        intensity_scale(amplitude, 1e6)


def test_one_dark_group_is_enough() -> None:
    """A group has its own scale."""
    groups = torch.ones(3, 4, 4, 4)
    groups[1] = 0
    assert float(rms_input_scale(groups)) > 0
    with pytest.raises(ValueError, match="got 0"):
        rms_input_scale(groups, "Group")


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (1, 2, 3, 4, 4)])
def test_what_is_no_set_of_patterns_is_refused(shape: tuple[int, ...]) -> None:
    """With its shape."""
    with pytest.raises(ValueError, match=r"\(n, N, N\) or \(B, C, N, N\)"):
        rms_input_scale(torch.ones(shape))


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ([], "at least one pattern"),
        ([torch.zeros(2, 4, 4)], r"mean energy sum I\^2 of the counts"),
        ([torch.full((2, 4, 4), -1.0)], "not negative"),
        ([torch.full((2, 4, 4), torch.nan)], "finite"),
    ],
)
def test_bad_counts_have_no_statistics(counts: list[torch.Tensor], reason: str) -> None:
    """Nothing, darkness, negative and missing values."""
    with pytest.raises(ValueError, match=reason):
        count_statistics(counts)


def test_probes_and_numbers_without_a_scale_are_refused() -> None:
    """Named, with their value."""
    probe = torch.ones(4, 4, dtype=torch.complex64)
    with pytest.raises(ValueError, match="probe_scale must be positive and finite, got 0"):
        normalise_probe(probe, 0.0)
    with pytest.raises(ValueError, match="mean modulus of the probe must"):
        normalise_probe(0 * probe, 4.0)
    with pytest.raises(ValueError, match="mean modulus of the probe under its mask"):
        normalise_probe(probe, 4.0, torch.zeros(4, 4))
    with pytest.raises(ValueError, match="number of photons a pattern must be positive and finite, got -1"):
        intensity_scale(torch.ones(2, 4, 4), -1.0)
    with pytest.raises(ValueError, match="factor of the probe"):
        field_scale(torch.zeros(1))
    with pytest.raises(ValueError, match="physics scale"):
        field_scale(torch.ones(1), -torch.ones(1))


def test_a_scale_of_the_wrong_energy_would_be_seen() -> None:
    """Half the side in the place of the side, as in the statistics of counts, is not unit intensity."""
    amplitude = _amplitude(0, 3, 8, 8)
    halved = (energy_scale(amplitude, 4.0**2, "Batch") * amplitude).square()
    assert not np.isclose(float(halved.mean()), 1, rtol=0.5)
