"""The likelihood of counted patterns."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.diffraction import far_field, mode_sum_intensity
from ptycho_torch.physics.exit_wave_update import exit_wave_change
from ptycho_torch.physics.poisson import fit_counts
from tests.strategies.fields import complex_field

PHOTON = 0.25


@given(st.integers(0, 2**31))
def test_the_ascent_is_the_gradient_of_the_log_likelihood(seed: int) -> None:
    """With respect to the conjugate waves of two modes over a background, for fitted valid pixels."""
    generator = torch.Generator().manual_seed(seed)
    waves = complex_field(3, 2, 8, 8, seed=seed).requires_grad_()
    amplitude = (PHOTON * torch.randint(0, 5, (3, 8, 8), generator=generator)).double().sqrt()
    fitted = torch.rand(3, 8, 8, generator=generator) < 0.9
    valid = torch.rand(8, 8, generator=generator) < 0.9
    background = torch.full((8, 8), 0.1, dtype=torch.float64)
    expected = mode_sum_intensity(far_field(waves)) + background
    likelihood = ((amplitude.square() * expected.log() - expected) * fitted * valid).sum()
    (gradient,) = torch.autograd.grad(likelihood, waves)
    found = fit_counts(
        waves.detach(), amplitude, PHOTON, fitted=fitted, valid_pixels=valid, background=background
    ).ascent
    torch.testing.assert_close(2 * found, gradient, rtol=2e-3, atol=2e-3)


def test_true_waves_do_not_move_in_the_mean_however_few_the_photons_are() -> None:
    """A difference of square roots moves them: that is what this likelihood is for."""
    generator = torch.Generator().manual_seed(0)
    waves = 0.5 * complex_field(1, 1, 16, 16, seed=1, dtype=torch.complex64)
    expected = mode_sum_intensity(far_field(waves))
    draws = torch.poisson(expected.expand(10_000, 16, 16), generator=generator).sqrt()
    many = waves.expand(10_000, 1, 16, 16)
    size = float(waves.abs().square().mean().sqrt())
    unbiased, biased = (
        float(change.mean(0).abs().square().mean().sqrt()) / size
        for change in (fit_counts(many, draws, 1.0).ascent, exit_wave_change(many, draws, 1.0).change)
    )
    assert unbiased < 0.05
    assert biased > 0.1


def test_pixels_that_are_not_fitted_are_judged() -> None:
    """The others have no part in the likelihood of the pixels held back, those held back none in the ascent."""
    waves = complex_field(2, 1, 8, 8, seed=3, dtype=torch.complex64)
    amplitude = torch.ones(2, 8, 8)
    fitted = torch.ones(2, 8, 8, dtype=torch.bool)
    fitted[:, 2, 5] = False
    changed = amplitude.clone()
    changed[:, 2, 5] = 3.0
    one, other = (fit_counts(waves, part, 1.0, fitted=fitted) for part in (amplitude, changed))
    torch.testing.assert_close(one.ascent, other.ascent, rtol=0, atol=0)
    assert one.misfit == other.misfit
    assert one.unlikely != other.unlikely
    changed = amplitude.clone()
    changed[:, 0, 0] = 3.0
    assert fit_counts(waves, changed, 1.0, fitted=fitted).unlikely == one.unlikely
