"""Scales of the replaced system: what they promise, in every layout, and what they refuse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.scaling import rms_input_scale
from tests.parity.physics.formulas.scaling import (
    CountStatistics,
    count_statistics,
    energy_scale,
    intensity_scale,
    physics_scale,
)
from tests.strategies.fields import complex_field

seeds = st.integers(0, 2**31)


def _amplitude(seed: int, *shape: int) -> torch.Tensor:
    return complex_field(*shape, seed=seed).abs()


@given(seeds)
def test_a_mean_pattern_has_unit_sum_in_the_loss(seed: int) -> None:
    """Amplitudes are summed, not squared; "Max" is the scale of the input."""
    groups = _amplitude(seed, 3, 4, 8, 8)
    scaled = physics_scale(groups, "Group") * groups
    torch.testing.assert_close(scaled.sum(dim=(-2, -1)).mean(dim=1), torch.ones(3).double())
    torch.testing.assert_close(physics_scale(groups, "Group", "Max"), rms_input_scale(groups, "Max"))


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


@pytest.mark.parametrize(
    ("amplitude", "found"),
    [(torch.zeros(2, 4, 4), "0"), (torch.full((2, 4, 4), torch.nan), "nan"), (torch.full((2, 4, 4), torch.inf), "inf")],
)
def test_patterns_without_energy_are_refused(amplitude: torch.Tensor, found: str) -> None:
    """By every scale, with the quantity and what it is."""
    with pytest.raises(ValueError, match=rf"mean energy sum X\^2 of the patterns must be positive.*got {found}"):
        energy_scale(amplitude, 1.0, "Batch")
    with pytest.raises(ValueError, match=f"sum of amplitudes of a pattern must be positive.*got {found}"):
        physics_scale(amplitude)
    with pytest.raises(ValueError, match="mean energy"):
        intensity_scale(amplitude, 1e6)


@pytest.mark.parametrize("shape", [(4, 4), (0, 4, 4), (1, 2, 3, 4, 4)])
def test_what_is_no_set_of_patterns_is_refused(shape: tuple[int, ...]) -> None:
    """With its shape."""
    with pytest.raises(ValueError, match=r"\(n, N, N\) or \(B, C, N, N\)"):
        energy_scale(torch.ones(shape), 1.0, "Batch")


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


def test_a_number_of_photons_must_be_positive() -> None:
    """Named, with its value."""
    with pytest.raises(ValueError, match="number of photons a pattern must be positive and finite, got -1"):
        intensity_scale(torch.ones(2, 4, 4), -1.0)


def test_a_scale_broadcasts_over_its_patterns_in_their_precision() -> None:
    """One for a scan `(n, N, N)`, one or B for groups; groups of one are scaled with their scan."""
    scan, groups, singles = (torch.rand(shape) + 0.1 for shape in ((5, 8, 8), (5, 4, 8, 8), (5, 1, 8, 8)))
    assert energy_scale(scan, 1.0, "Group").shape == (1, 1, 1)
    assert energy_scale(groups, 1.0, "Batch").shape == (1, 1, 1, 1)
    assert energy_scale(groups, 1.0, "Group").shape == (5, 1, 1, 1)
    assert energy_scale(singles, 1.0, "Group").shape == (1, 1, 1, 1)
    assert energy_scale(groups, 1.0, "Batch").dtype == torch.float32


def test_a_scale_of_the_wrong_energy_would_be_seen() -> None:
    """Half the side in the place of the side, as in the statistics of counts, is not unit intensity."""
    amplitude = _amplitude(0, 3, 8, 8)
    halved = (energy_scale(amplitude, 4.0**2, "Batch") * amplitude).square()
    assert not np.isclose(float(halved.mean()), 1, rtol=0.5)
