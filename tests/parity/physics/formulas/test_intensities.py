"""Modes that interfere, and the residual of a fit from sums alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.nets.output_scale import rectangular
from ptycho_torch.physics.diffraction import diffraction_intensity, exit_waves, far_field, mode_sum_intensity
from ptycho_torch.physics.varpro import moments
from tests.parity.physics.formulas.intensities import coherent_sum_intensity, squared_residual
from tests.strategies.fields import complex_field

FOLDER = Path(__file__).parents[1] / "vectors"


def _golden(name: str) -> dict[str, torch.Tensor]:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def test_the_coherent_sum_is_the_golden_one() -> None:
    """Modes that interfere: what the replaced system's amplitude model computes."""
    golden = _golden("model_amplitude")
    waves = far_field(exit_waves(golden["object"], golden["probe"].expand(-1, 4, -1, -1, -1)))
    ours = torch.fft.fftshift(coherent_sum_intensity(waves), dim=(-2, -1)).sqrt()
    torch.testing.assert_close(ours, golden["diff_coherent"], rtol=2e-5, atol=1e-5)
    incoherent = torch.fft.fftshift(mode_sum_intensity(waves), dim=(-2, -1)).sqrt()
    assert not torch.allclose(incoherent, golden["diff_coherent"], rtol=0.1)


def test_both_sums_agree_for_one_mode_and_ignore_the_order_of_modes() -> None:
    """Where there is nothing to interfere, coherence does not matter."""
    waves = complex_field(2, 3, 8, 8, seed=1)
    torch.testing.assert_close(
        coherent_sum_intensity(waves[:, :1]), waves[:, 0].real.square() + waves[:, 0].imag.square()
    )
    torch.testing.assert_close(coherent_sum_intensity(waves), coherent_sum_intensity(waves.flip(1)))


@given(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0), st.integers(0, 2**31))
def test_the_residual_from_sums_is_that_of_the_patterns(s1: float, s2: float, seed: int) -> None:
    """Without a second pass over them."""
    patches, probe = complex_field(3, 8, 8, seed=seed), complex_field(3, 2, 8, 8, seed=seed + 1)
    intensity = diffraction_intensity(complex_field(3, 8, 8, seed=seed + 2), probe)
    modelled = diffraction_intensity(rectangular(patches, torch.tensor(s1), torch.tensor(s2)), probe)
    energy = float(intensity.square().sum())
    found = squared_residual(moments(patches, probe, intensity), energy, s1, s2)
    assert found == pytest.approx(float((modelled - intensity).square().sum()), rel=1e-6)
