"""The steps of flux and background."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.physics.counts import background_sums
from ptycho_torch.physics.exit_wave_update import OFFSET_PHOTONS


@given(st.integers(0, 2**31))
def test_the_background_follows_the_likelihood_of_the_counts(seed: int) -> None:
    """Its derivative and curvature by b, for frames of any flux; pixels that are not valid have none."""
    generator = torch.Generator().manual_seed(seed)
    counts, model = (20 * torch.rand(5, 4, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    flux = 0.5 + torch.rand(5, dtype=torch.float64, generator=generator)
    valid = torch.rand(4, 4, generator=generator) < 0.8
    by_frame, photon = flux[:, None, None], 1.0
    offset = OFFSET_PHOTONS * photon * by_frame
    background = torch.full((4, 4), 2.0, dtype=torch.float64, requires_grad=True)
    mean = by_frame * model + background + offset
    likelihood = ((counts + offset) * mean.log() - mean).sum()
    (derivative,) = torch.autograd.grad(likelihood, background, create_graph=True)
    (second,) = torch.autograd.grad(derivative.sum(), background)
    slope, curvature = background_sums((counts / by_frame).sqrt(), (mean / by_frame).detach(), photon, flux, valid)
    torch.testing.assert_close(slope, derivative.detach() * valid)
    torch.testing.assert_close(curvature, -second * valid)
