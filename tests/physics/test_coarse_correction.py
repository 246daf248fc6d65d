"""Coarse structure from the moments of patterns."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_torch.physics.coarse_correction import Equations, bilinear_basis, correction, equations, moments
from ptycho_torch.physics.diffraction import diffraction_intensity, exit_waves, far_field, mode_sum_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.simulate import defocused_probe
from tests.strategies.fields import complex_field

SIDE, CANVAS = 32, 96


def _slow(like: Tensor) -> Tensor:
    """A smooth phase, a fifth of a radian high and some 60 px wide."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in like.shape), indexing="ij")
    return 0.2 * torch.sin(2 * torch.pi * y / 70) * torch.cos(2 * torch.pi * x / 60)


def _scene() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """An object, the same with the slow phase, a probe, and corners 5 px apart."""
    plain = 1 + 0.2 * complex_field(CANVAS, CANVAS, seed=3)
    wanted = plain * torch.exp(1j * _slow(plain.real))
    probe = torch.from_numpy(defocused_probe(SIDE, pupil_px=6.0, defocus_rad=4.0))[None] * SIDE
    steps = torch.arange(0, CANVAS - SIDE + 1, 5)
    return plain, wanted, probe.to(torch.complex128), torch.cartesian_prod(steps, steps)


def _found(sign: float = 1.0) -> tuple[Tensor, Tensor]:
    """The phase that the moments ask for, and the true one, where the light is."""
    plain, wanted, probe, corner = _scene()
    basis = bilinear_basis(SIDE, 8)
    patches = cut(plain, corner, SIDE)
    missing = moments(diffraction_intensity(cut(wanted, corner, SIDE), probe)) - moments(
        diffraction_intensity(patches, probe)
    )
    system = equations(exit_waves(patches, probe), sign * missing, corner, basis)
    factor = correction(system, CANVAS, CANVAS, basis, 1e-3)
    inner = slice(SIDE // 2, CANVAS - SIDE // 2)
    found, truth = factor.angle()[inner, inner], _slow(plain.real)[inner, inner]
    return found - found.mean(), truth - truth.mean()


def test_moments_are_those_of_the_wave() -> None:
    """`sum sin(q) I` is the imaginary part of the wave's overlap with itself one pixel on."""
    waves = complex_field(3, 2, 16, 16, seed=1)
    found = moments(mode_sum_intensity(far_field(waves)))
    assert torch.allclose(found[:, 0], mode_sum_intensity(waves).sum((-2, -1)))
    for column, axis in ((1, -2), (2, -1)):
        overlap = (waves.conj() * waves.roll(-1, axis)).sum((1, 2, 3))
        assert torch.allclose(found[:, column], overlap.imag)


def test_a_slow_phase_is_found_in_one_step() -> None:
    """A smooth phase error of a detailed object is recovered to a few percent."""
    found, truth = _found()
    assert float((found - truth).norm() / truth.norm()) < 0.08


def test_a_correction_with_the_wrong_sign_is_caught() -> None:
    """Modelled minus measured moves away from the truth."""
    found, truth = _found(sign=-1.0)
    assert float((found - truth).norm() / truth.norm()) > 1.0


def test_a_slow_amplitude_is_found_in_one_step() -> None:
    """Where patterns are brighter than modelled the object becomes more transparent."""
    plain, _, probe, corner = _scene()
    slow = 0.5 * _slow(plain.real)
    basis = bilinear_basis(SIDE, 8)
    patches = cut(plain, corner, SIDE)
    missing = moments(diffraction_intensity(cut(plain * slow.exp(), corner, SIDE), probe)) - moments(
        diffraction_intensity(patches, probe)
    )
    system = equations(exit_waves(patches, probe), missing, corner, basis)
    inner = slice(SIDE // 2, CANVAS - SIDE // 2)
    found = correction(system, CANVAS, CANVAS, basis, 1e-3).abs().log()[inner, inner]
    assert float((found - slow[inner, inner]).norm() / slow[inner, inner].norm()) < 0.1


def test_nothing_missing_changes_nothing() -> None:
    """Without a difference the factor is exactly 1."""
    plain, _, probe, corner = _scene()
    basis = bilinear_basis(SIDE, 8)
    waves = exit_waves(cut(plain, corner, SIDE), probe)
    system = equations(waves, torch.zeros(len(corner), 3, dtype=torch.float64), corner, basis)
    assert bool((correction(system, CANVAS, CANVAS, basis, 0.1) == 1).all())


def test_batches_add_up() -> None:
    """Equations made batch by batch are those made at once."""
    plain, _, probe, corner = _scene()
    basis = bilinear_basis(SIDE, 8)
    waves = exit_waves(cut(plain, corner, SIDE), probe)
    missing = torch.from_numpy(np.random.default_rng(0).normal(size=(len(corner), 3)))
    whole = equations(waves, missing, corner, basis)
    parts = [equations(waves[rows], missing[rows], corner[rows], basis) for rows in torch.arange(len(corner)).split(50)]
    joined = Equations.joined(parts)
    assert torch.allclose(joined.response, whole.response)
    assert torch.equal(joined.node_yx, whole.node_yx)


@pytest.mark.parametrize("spacing", [1, 5, 8, 32])
def test_hats_sum_to_one(spacing: int) -> None:
    """Everywhere in a frame the functions of the grid add up to a constant, wherever it starts."""
    basis = bilinear_basis(SIDE, spacing)
    assert torch.allclose(basis.values.sum(-1), torch.ones(spacing, SIDE))
