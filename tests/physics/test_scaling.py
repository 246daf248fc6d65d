"""The scale of groups: what it promises of the scaled patterns, and what it refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.scaling import Method, rms_input_scale
from tests.strategies.fields import complex_field

seeds = st.integers(0, 2**31)
units = st.floats(1e-3, 1e3)


def _amplitude(seed: int, *shape: int) -> torch.Tensor:
    return complex_field(*shape, seed=seed).abs()


@given(seeds, units)
def test_scaled_groups_have_unit_mean_intensity(seed: int, unit: float) -> None:
    """Whatever the unit of the file."""
    groups = unit * _amplitude(seed, 3, 4, 8, 8)
    scaled = (rms_input_scale(groups) * groups).square()
    torch.testing.assert_close(scaled.mean(dim=(1, 2, 3)), torch.ones(3).double())


@given(seeds)
def test_the_brightest_pattern_of_a_group_has_unit_sum(seed: int) -> None:
    """By the other method."""
    groups = _amplitude(seed, 3, 4, 8, 8)
    scaled = rms_input_scale(groups, "Max") * groups
    torch.testing.assert_close(scaled.sum(dim=(-2, -1)).amax(dim=1), torch.ones(3).double())


def test_a_scale_of_all_groups_at_once_would_be_seen() -> None:
    """Groups of different brightness have scales of their own."""
    groups = _amplitude(0, 2, 4, 8, 8) * torch.tensor([1.0, 5.0])[:, None, None, None]
    together = (rms_input_scale(groups.flatten(0, 1)[None]) * groups).square()
    assert not torch.allclose(together.mean(dim=(1, 2, 3)), torch.ones(2).double(), rtol=0.5)


def test_a_scale_broadcasts_over_its_group_in_the_precision_of_the_patterns() -> None:
    """One factor a group."""
    scale = rms_input_scale(torch.rand(5, 4, 8, 8) + 0.1)
    assert (scale.shape, scale.dtype) == ((5, 1, 1, 1), torch.float32)


def test_sums_do_not_overflow_or_lose_small_patterns() -> None:
    """Single precision alone would have lost one or the other."""
    assert float(rms_input_scale(torch.full((1, 2, 8, 8), 1e25))) == pytest.approx(1e-25)
    many = torch.full((1, 4096, 64, 64), 1.0)
    many[0, 0] = 4096.0
    expected = (many.numel() / (many.numel() - 64**2 + 64**2 * 4096.0**2)) ** 0.5
    assert float(rms_input_scale(many)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("method", "quantity"),
    [("Parseval", r"mean energy sum X\^2 of the patterns"), ("Max", "sum of amplitudes of a pattern")],
)
@pytest.mark.parametrize(("value", "found"), [(0.0, "0"), (torch.nan, "nan"), (torch.inf, "inf")])
def test_one_group_without_energy_is_refused(method: Method, quantity: str, value: float, found: str) -> None:
    """With the quantity and its value."""
    groups = torch.ones(3, 2, 4, 4)
    groups[1] = value
    with pytest.raises(ValueError, match=f"{quantity} must be positive and finite, got {found}"):
        rms_input_scale(groups, method)
