"""Learned output scales: the golden rectangular model, and scales that come from data."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_config.schema import Amplitude, RectangularScaled, TorchOptions, Unrolled
from ptycho_torch.nets.output_scale import IntensityScale, RectangularScale, rectangular
from ptycho_torch.nets.reconstructor import build_scale
from ptycho_torch.physics.diffraction import diffraction_intensity
from tests.strategies.fields import complex_field

FOLDER = Path(__file__).parents[1] / "parity" / "physics" / "vectors"


def _golden(name: str) -> dict[str, torch.Tensor]:
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def test_the_rectangular_model_is_the_golden_one() -> None:
    """`I = sum_p |F(k (s1 P Re O + i s2 P Im O))|^2`, incoherent over modes, without merging."""
    golden = _golden("model_rectangular")
    chosen = golden["experiment_ids"].long()
    s1, s2 = (golden[name][chosen].reshape(-1, 1, 1, 1) for name in ("s1", "s2"))
    patches = rectangular(golden["object"], s1, s2) * golden["k"]
    intensity = diffraction_intensity(patches, golden["probe"].expand(-1, 4, -1, -1, -1))
    ours = torch.fft.fftshift(intensity, dim=(-2, -1))
    torch.testing.assert_close(ours, golden["I_small"].to(ours.dtype), rtol=2e-5, atol=1e-4)


def test_equal_scales_are_one_factor() -> None:
    """`s1 = s2 = s` is `s O`; unequal ones bend the phase."""
    patches = complex_field(2, 8, 8, seed=2)
    two, three = torch.tensor(2.0), torch.tensor(3.0)
    torch.testing.assert_close(rectangular(patches, two, two), 2 * patches)
    assert not torch.allclose(rectangular(patches, two, three).angle(), patches.angle())


def test_scales_from_data_make_the_mean_intensities_equal() -> None:
    """The first batch decides, once."""
    scale = RectangularScale(trainable=True, init="data")
    measured, predicted = torch.full((4, 8, 8), 9.0), torch.full((4, 8, 8), 4.0)
    scale.calibrate(measured, predicted)
    assert float(scale.s1.detach()) == pytest.approx(1.5)
    assert float(scale.s2.detach()) == pytest.approx(1.5)


def _options(forward: Amplitude | RectangularScaled) -> TorchOptions:
    return TorchOptions(net=Unrolled(), forward=forward)


def test_the_options_choose_the_scale() -> None:
    """Learned or kept, as they say."""
    kept = build_scale(_options(RectangularScaled(rect_s1s2_trainable=False)), None)
    assert [p.requires_grad for p in kept.parameters()] == [False, False]
    learned = build_scale(_options(RectangularScaled()), None)
    assert [p.requires_grad for p in learned.parameters()] == [True, True]
    scale = build_scale(_options(Amplitude()), 2.0)
    assert isinstance(scale, IntensityScale)
    assert float(scale(torch.ones(())).detach()) == pytest.approx(2.0)
    assert list(build_scale(_options(Amplitude()), None).parameters()) == []
