"""Losses: zero at the truth, likelihoods where they claim to be, finite everywhere."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln

from ptycho_config.schema import OverlapOptions
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.records import Batch, Prediction
from ptycho_torch.training.losses import PatternLoss, amplitude_mae, cluster_loss, exit_wave_error, poisson_deviance
from tests.strategies.fields import complex_field

GOLDEN = Path(__file__).parents[1] / "parity" / "physics" / "vectors" / "model_losses.npz"


def _amplitude(seed: int) -> torch.Tensor:
    return complex_field(2, 8, 8, seed=seed).abs()


@pytest.mark.parametrize("loss", [poisson_deviance, amplitude_mae])
@given(seed=st.integers(0, 2**31), scale=st.floats(0.0, 3.0))
def test_nothing_is_better_than_the_truth(loss: PatternLoss, seed: int, scale: float) -> None:
    """The loss of the measured intensity itself is the smallest one and about zero."""
    amplitude = _amplitude(seed)
    best = float(loss(amplitude.square(), amplitude))
    assert best < 1e-3
    assert float(loss(scale * amplitude.square(), amplitude)) >= best - 1e-9


@pytest.mark.parametrize("loss", [poisson_deviance, amplitude_mae])
def test_darkness_has_finite_gradients(loss: PatternLoss) -> None:
    """No light predicted, none measured: no NaN and no infinity."""
    rate = torch.zeros(1, 4, 4, requires_grad=True)
    loss(rate, torch.zeros(1, 4, 4)).backward()
    assert rate.grad is not None
    assert bool(torch.isfinite(rate.grad).all())


def test_the_deviance_is_the_golden_likelihood_up_to_a_constant() -> None:
    """Against the Poisson negative log-likelihood of the replaced system, which keeps `lgamma`."""
    golden = np.load(GOLDEN)
    rate, counts = (golden["c"] * golden["A"]) ** 2, (golden["c"] * golden["Y"]) ** 2
    perfect = (counts - counts * np.log(counts) + gammaln(counts + 1)).sum(axis=(1, 2, 3))
    for sample in range(3):
        ours = poisson_deviance(
            torch.from_numpy(rate[sample]).double(), torch.from_numpy(np.sqrt(counts[sample])).double()
        )
        expected = (golden["poisson_amp_per_sample"][sample] - perfect[sample]) / counts[sample].size
        assert float(ours) == pytest.approx(expected, rel=2e-3)


def _scene() -> tuple[Prediction, Batch]:
    centres = torch.tensor([[[8, 8], [8, 11], [12, 9]]])
    truth = complex_field(1, 24, 24, seed=0)
    patches, probes = cut(truth, (centres - 8).double(), 16), complex_field(1, 3, 2, 16, 16, seed=1)
    amplitude = diffraction_intensity(patches, probes).sqrt()
    batch = Batch(amplitude, probes[0, 0], centres, torch.zeros(1, 3, 2), merged=1)
    return Prediction(patches, probes), batch


@pytest.mark.parametrize(("merged", "merge"), [(1, True), (3, True), (3, False)])
def test_consistent_patches_cost_nothing(merged: int, *, merge: bool) -> None:
    """Data and overlap terms vanish where all patches are cuts of one object."""
    prediction, batch = _scene()
    terms = cluster_loss(
        prediction, batch._replace(merged=merged), poisson_deviance, OverlapOptions(weight=1.0), merge=merge
    )
    assert float(terms.total) < 1e-4


def test_patches_that_only_fit_themselves_are_told_by_the_overlap_term() -> None:
    """A phase factor on one patch fits its own pattern but not its neighbours'."""
    prediction, batch = _scene()
    twisted = prediction.patches.clone()
    twisted[:, 1] *= torch.tensor(1j)
    terms = cluster_loss(
        Prediction(twisted, prediction.probes), batch, poisson_deviance, OverlapOptions(weight=2.0), merge=True
    )
    assert float(terms.data) < 1e-4
    assert float(terms.overlap) > 0.1
    torch.testing.assert_close(terms.total, terms.data + 2 * terms.overlap)


@given(seed=st.integers(0, 2**31), angle=st.floats(-3.0, 3.0), scale=st.floats(0.5, 2.0))
def test_the_error_of_exit_waves_knows_no_phase_but_a_modulus(seed: int, angle: float, scale: float) -> None:
    """0 for the labels turned as a whole; not where they are scaled, or turned one by one."""
    label, probes = complex_field(2, 3, 8, 8, seed=seed), complex_field(2, 3, 2, 8, 8, seed=seed + 1)
    turn = torch.polar(torch.tensor(1.0), torch.tensor(angle))
    assert float(exit_wave_error(label * turn, probes, label)) < 1e-3
    others = torch.polar(torch.ones(2, 3, 1, 1), torch.tensor([0.0, 1.0, 2.0]).view(1, 3, 1, 1))
    assert float(exit_wave_error(label * others, probes, label)) > 0.1
    flat = torch.ones_like(label)
    nothing = float(exit_wave_error(flat * 0, probes, label))
    assert float(exit_wave_error(label * scale, probes, label)) == pytest.approx(abs(scale - 1) * nothing, abs=1e-3)


def test_what_no_light_reaches_does_not_count() -> None:
    """Errors outside the probe are free, and a label without structure gives no infinity."""
    label, probes = complex_field(1, 2, 8, 8, seed=0), complex_field(1, 2, 1, 8, 8, seed=1)
    probes[..., 4:] = 0
    wrong = label.clone()
    wrong[..., 4:] = 5.0
    assert float(exit_wave_error(wrong, probes, label)) < 1e-3
    flat = torch.ones_like(label, requires_grad=True)
    exit_wave_error(flat, probes, torch.ones_like(label)).backward()
    assert flat.grad is not None
    assert bool(torch.isfinite(torch.view_as_real(flat.grad)).all())
