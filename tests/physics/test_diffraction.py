"""Laws of the far field, run over every operator, and broken operators that they catch."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ptycho_torch.physics.diffraction import diffraction_intensity, far_field, near_field, power, shift_probe
from tests.strategies.fields import complex_field, inner

seeds = st.integers(0, 2**31)
Operator = Callable[[Tensor], Tensor]


def _adjoint_gap(forward: Operator, backward: Operator, seed: int) -> float:
    x, y = complex_field(3, 16, 16, seed=seed), complex_field(3, 16, 16, seed=seed + 1)
    return float(abs(inner(forward(x), y) - inner(x, backward(y))))


@given(seeds)
def test_propagation_and_its_inverse_are_adjoint(seed: int) -> None:
    """`<F x, y> = <x, F^-1 y>`."""
    assert _adjoint_gap(far_field, near_field, seed) < 1e-9


@pytest.mark.parametrize("broken", [lambda y: 2 * near_field(y), lambda y: near_field(y).conj(), far_field])
def test_a_broken_adjoint_is_caught(broken: Operator) -> None:
    """A wrong scale, a conjugation and a wrong direction all fail the adjoint law."""
    assert _adjoint_gap(far_field, broken, 0) > 1e-3


@given(seeds)
def test_no_light_is_lost(seed: int) -> None:
    """Parseval: the pattern holds the energy of the exit waves of all modes."""
    patch, probe = complex_field(2, 16, 16, seed=seed), complex_field(2, 3, 16, 16, seed=seed + 1)
    lit = (patch.unsqueeze(1) * probe).abs().square().sum()
    assert torch.isclose(diffraction_intensity(patch, probe).sum(), lit)


def test_the_derivative_of_the_power_is_that_of_the_formula() -> None:
    """`|z|^2` has the gradient `2 z`, and that a derivative of its own."""
    field = complex_field(3, 4, seed=0).requires_grad_()
    assert torch.autograd.gradcheck(power, (field,))
    assert torch.autograd.gradgradcheck(power, (field,))


@given(seeds, st.permutations(range(4)))
def test_the_order_of_modes_does_not_matter(seed: int, order: list[int]) -> None:
    """Incoherent modes have no order."""
    patch, probe = complex_field(2, 8, 8, seed=seed), complex_field(2, 4, 8, 8, seed=seed + 1)
    assert torch.allclose(diffraction_intensity(patch, probe), diffraction_intensity(patch, probe[:, order]))


@given(seeds)
def test_modes_add_in_intensity_not_in_amplitude(seed: int) -> None:
    """A mode and its negative do not cancel."""
    patch, mode = complex_field(1, 8, 8, seed=seed), complex_field(1, 1, 8, 8, seed=seed + 1)
    both = diffraction_intensity(patch, torch.cat([mode, -mode], dim=1))
    assert torch.allclose(both, 2 * diffraction_intensity(patch, mode))


@given(seeds, st.integers(-8, 8), st.integers(-8, 8))
def test_a_common_shift_is_invisible(seed: int, dy: int, dx: int) -> None:
    """Moving object and probe together leaves the pattern unchanged."""
    patch, probe = complex_field(1, 16, 16, seed=seed), complex_field(1, 2, 16, 16, seed=seed + 1)
    moved = diffraction_intensity(patch.roll((dy, dx), (-2, -1)), probe.roll((dy, dx), (-2, -1)))
    assert torch.allclose(moved, diffraction_intensity(patch, probe))


@given(seeds, st.integers(-8, 8), st.integers(-8, 8))
def test_a_whole_pixel_shift_of_the_probe_is_a_roll(seed: int, dy: int, dx: int) -> None:
    """The Fourier ramp agrees with moving the pixels."""
    probe = complex_field(2, 16, 16, seed=seed)
    shifted = shift_probe(probe, torch.tensor([[dy, dx]], dtype=torch.float64))
    assert torch.allclose(shifted[0], probe.roll((dy, dx), (-2, -1)))


@given(seeds, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_probe_shifts_add_up_and_keep_energy(seed: int, dy: float, dx: float) -> None:
    """Shifting there and back is no shift, and no light is lost on the way (odd size: no
    ambiguous highest frequency)."""
    probe = complex_field(1, 15, 15, seed=seed)
    there = shift_probe(probe, torch.tensor([[dy, dx]], dtype=torch.float64))[0]
    back = shift_probe(there, torch.tensor([[-dy, -dx]], dtype=torch.float64))[0]
    assert torch.allclose(back, probe)
    assert torch.isclose(there.abs().square().sum(), probe.abs().square().sum())


def test_a_flat_object_shows_the_pattern_of_the_probe() -> None:
    """`O = 1` leaves `|F P|^2`."""
    probe = complex_field(1, 1, 16, 16, seed=3)
    expected = torch.fft.fft2(probe[0, 0], norm="ortho").abs().square()
    assert torch.allclose(diffraction_intensity(torch.ones(1, 16, 16), probe)[0], expected)
