"""The projection step that primes the network."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.projection import back_project, object_gradient
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


@pytest.mark.parametrize("modes", [1, 2])
@pytest.mark.parametrize("masked", [False, True])
def test_its_derivative_is_that_of_the_formula(*, modes: int, masked: bool) -> None:
    """What is written down for the gradient is what finite differences give, for object, probe and
    amplitude, with and without bad pixels."""
    probe = complex_field(2, modes, 4, 4, seed=1).requires_grad_()
    patch = complex_field(2, 4, 4, seed=2).requires_grad_()
    amplitude = (0.1 + complex_field(2, 4, 4, seed=3).abs()).requires_grad_()
    valid_pixels = torch.arange(16).view(4, 4) % 5 > 0 if masked else None
    assert torch.autograd.gradcheck(lambda *inputs: back_project(*inputs, valid_pixels), (patch, probe, amplitude))


def test_what_a_bad_pixel_says_is_not_looked_at() -> None:
    """Not even a value that is no number reaches the step or its gradient."""
    patch, probe = complex_field(1, 8, 8, seed=1).requires_grad_(), complex_field(1, 2, 8, 8, seed=2)
    amplitude, valid_pixels = complex_field(1, 8, 8, seed=3).abs(), torch.ones(8, 8, dtype=torch.bool)
    amplitude[0, 2, 3], valid_pixels[2, 3] = torch.nan, False
    step = back_project(patch, probe, amplitude, valid_pixels)
    step.abs().square().sum().backward()
    assert patch.grad is not None
    assert bool(torch.isfinite(torch.view_as_real(step)).all() and torch.isfinite(patch.grad.abs()).all())


class _Halved(torch.autograd.Function):
    """The step with half its gradient."""

    @staticmethod
    def forward(ctx: Any, patch: torch.Tensor, probe: torch.Tensor, amplitude: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(patch, probe, amplitude)
        return back_project(patch, probe, amplitude)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        patch, probe, amplitude = ctx.saved_tensors
        with torch.enable_grad():
            step = back_project(leaf := patch.detach().requires_grad_(), probe, amplitude)
        return torch.autograd.grad(step, leaf, grad / 2)[0], None, None


def test_a_wrong_derivative_is_caught() -> None:
    """Half the gradient is not the gradient."""
    patch, (_, probe, amplitude) = complex_field(1, 16, 16, seed=5).requires_grad_(), _scene(7)
    assert not torch.autograd.gradcheck(
        lambda moved: _Halved.apply(moved, probe, amplitude),  # type: ignore[no-untyped-call] # torch's
        (patch,),
        raise_exception=False,
    )
