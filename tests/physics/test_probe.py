"""What is done to probes: golden masks, ranges, and smoothing that keeps what it should."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.probe import smooth_probe, soft_disk
from tests.strategies.fields import complex_field

GOLDEN = np.load(Path(__file__).parents[1] / "parity" / "physics" / "vectors" / "model_probe_mask.npz")
CASES = [name for name in GOLDEN.files if name.startswith("N")]


@pytest.mark.parametrize("name", CASES)
def test_the_soft_disk_is_the_golden_one(name: str) -> None:
    """Side, diameter and edge width are in the name of the golden array."""
    side, diameter, sigma = (part[1:] for part in name.split("_"))
    made = soft_disk(int(side), None if diameter == "None" else float(diameter), float(sigma))
    np.testing.assert_allclose(made.numpy(), GOLDEN[name], atol=2e-6)


@given(st.sampled_from([16, 64]), st.none() | st.floats(2.0, 40.0), st.floats(0.0, 4.0))
def test_a_mask_lies_between_zero_and_one_and_is_symmetric(side: int, diameter: float | None, sigma: float) -> None:
    """Its peak is 1, and it is the same seen from all four sides."""
    mask = soft_disk(side, diameter, sigma)
    assert float(mask.max()) == 1.0
    assert float(mask.min()) >= 0.0
    torch.testing.assert_close(mask, mask.flip(0))
    torch.testing.assert_close(mask, mask.T)


def test_a_wrong_diameter_would_be_seen() -> None:
    """The golden comparison is sharp: half a pixel is caught."""
    wrong = soft_disk(64, 32.5, 1.0).numpy()
    assert np.abs(wrong - soft_disk(64, 32.0, 1.0).numpy()).max() > 1e-3


def test_smoothing_keeps_the_integral_and_acts_on_each_mode() -> None:
    """Away from the border a Gaussian only moves light around."""
    probe = torch.zeros(2, 32, 32, dtype=torch.complex64)
    probe[0, 16, 16], probe[1, 15, 17] = 1.0 + 2.0j, -3.0j
    soft = smooth_probe(probe, 1.5)
    torch.testing.assert_close(soft.sum(dim=(-2, -1)), probe.sum(dim=(-2, -1)))
    assert float(soft[0].abs().max()) < 0.2
    both = complex_field(2, 32, 32, seed=0, dtype=torch.complex64)
    torch.testing.assert_close(smooth_probe(both, 1.5)[1], smooth_probe(both[1:], 1.5)[0])
