"""Variable projection: the golden solution, and scales that are found again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.nets.output_scale import rectangular
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.varpro import Moments, intensity_parts, moments, solve
from tests.strategies.fields import complex_field

GOLDEN = np.load(Path(__file__).parents[1] / "parity" / "physics" / "vectors" / "varpro.npz")


def _scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Patches, probes and patterns of the golden case, in FFT order."""
    patches = torch.complex(*(torch.from_numpy(GOLDEN[name]).double() for name in ("a", "b")))
    probe = torch.from_numpy(GOLDEN["probe"]).to(torch.complex128).expand(*patches.shape[:2], -1, -1, -1)
    intensity = torch.fft.ifftshift(torch.from_numpy(GOLDEN["intensity"]), dim=(-2, -1))
    return patches, probe, intensity


def test_the_parts_are_the_golden_ones() -> None:
    """X1, X2 and X3 of every pattern."""
    patches, probe, _ = _scene()
    for made, name in zip(intensity_parts(patches, probe), ("X1", "X2", "X3"), strict=True):
        ours = torch.fft.fftshift(made, dim=(-2, -1)).numpy()
        np.testing.assert_allclose(ours, GOLDEN[name], rtol=1e-4, atol=1e-4)


def test_the_scales_are_the_golden_ones() -> None:
    """As the exact solver and the iterative one of the replaced system find them."""
    scales = np.array(solve(moments(*_scene())))
    np.testing.assert_allclose(scales, GOLDEN["s_global"].ravel(), rtol=1e-5)
    np.testing.assert_allclose(scales, GOLDEN["s_lbfgs"].ravel(), rtol=1e-3)


@given(st.floats(0.1, 5.0), st.floats(-5.0, 5.0), st.integers(0, 2**31))
def test_scales_of_noiseless_patterns_are_found(s1: float, s2: float, seed: int) -> None:
    """Whatever their size and sign."""
    patches = complex_field(3, 12, 12, seed=seed)
    probe = complex_field(3, 2, 12, 12, seed=seed + 1)
    scaled = rectangular(patches, torch.tensor(s1), torch.tensor(s2))
    found = solve(moments(patches, probe, diffraction_intensity(scaled, probe)))
    np.testing.assert_allclose(found, (s1, s2), rtol=1e-5, atol=1e-6)


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    """Batches add up."""
    patches, probe, intensity = _scene()
    parts = [moments(patches[i], probe[i], intensity[i]) for i in range(3)]
    whole = moments(patches, probe, intensity)
    np.testing.assert_allclose((parts[0] + parts[1] + parts[2]).gram, whole.gram)


def test_patterns_that_no_scale_explains_are_refused() -> None:
    """Negative correlation with everything has no positive solution."""
    with pytest.raises(ValueError, match="no positive scale"):
        solve(Moments(np.eye(3), -np.ones(3) * np.array([1, 0, 1])))


def _residual(s1: float, s2: float) -> float:
    """`sum (modelled - measured)^2` of the golden patterns."""
    patches, probe, intensity = _scene()
    modelled = diffraction_intensity(rectangular(patches, torch.tensor(s1), torch.tensor(s2)), probe)
    return float((modelled - intensity).square().sum())


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0))
def test_no_scales_fit_better_than_those_of_the_solver(s1: float, s2: float) -> None:
    """Whatever they are."""
    assert _residual(*solve(moments(*_scene()))) <= _residual(s1, s2)


@pytest.mark.parametrize("phase", [0.0, 0.3, np.pi / 2])
def test_an_object_of_one_phase_has_no_two_scales(phase: float) -> None:
    """Its real and imaginary part give the same pattern, so any pair on an ellipse fits."""
    _, probe, _ = _scene()
    amplitude = complex_field(*probe.shape[:2], 12, 12, seed=5).abs()
    patches = torch.polar(amplitude.double(), torch.full_like(amplitude, phase, dtype=torch.float64))
    with pytest.raises(ValueError, match="do not tell the scale"):
        solve(moments(patches, probe, diffraction_intensity(1.3 * patches, probe)))
