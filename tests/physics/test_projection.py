"""The projection step that primes the network."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.projection import object_gradient
from tests.strategies.fields import complex_field


def _scene(seed: int, modes: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    probe = complex_field(1, modes, 16, 16, seed=seed)
    truth = 1 + 0.3 * complex_field(1, 16, 16, seed=seed + 1)
    return truth, probe, diffraction_intensity(truth, probe).sqrt()


@given(st.integers(0, 2**31))
def test_the_truth_is_a_fixed_point(seed: int) -> None:
    """At the object that made the pattern there is nothing to change."""
    truth, probe, amplitude = _scene(seed)
    assert float(object_gradient(truth, probe, amplitude, 0.1).abs().max()) < 1e-6


@given(st.integers(0, 2**31), st.floats(0.0, 1.0))
def test_a_step_brings_the_pattern_closer(seed: int, alpha: float) -> None:
    """From the flat object, one step lowers the amplitude error."""
    _, probe, amplitude = _scene(seed)
    flat = torch.ones(1, 16, 16, dtype=torch.complex128)
    step = flat + object_gradient(flat, probe, amplitude, max(alpha, 1e-3))

    def error(patch: torch.Tensor) -> float:
        return float((diffraction_intensity(patch, probe).sqrt() - amplitude).square().sum())

    assert error(step) < error(flat)


@given(st.integers(0, 2**31))
def test_a_step_against_the_projection_is_caught(seed: int) -> None:
    """The sign matters: walking backwards raises the error."""
    _, probe, amplitude = _scene(seed)
    flat = torch.ones(1, 16, 16, dtype=torch.complex128)
    back = flat - object_gradient(flat, probe, amplitude, 0.1)
    worse = (diffraction_intensity(back, probe).sqrt() - amplitude).square().sum()
    assert worse > (diffraction_intensity(flat, probe).sqrt() - amplitude).square().sum()


def test_dark_pixels_give_finite_gradients() -> None:
    """A pattern with zeros and a probe with zeros never yields NaN, forward or backward."""
    probe = torch.zeros(1, 1, 8, 8, dtype=torch.complex64)
    probe[..., 4, 4] = 1
    patch = torch.ones(1, 8, 8, dtype=torch.complex64, requires_grad=True)
    step = object_gradient(patch, probe, torch.zeros(1, 8, 8), 0.1)
    step.abs().square().sum().backward()
    assert patch.grad is not None
    assert bool(torch.isfinite(patch.grad.abs()).all())
