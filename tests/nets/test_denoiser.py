"""The denoiser of complex objects that comes with ptycho."""

import torch
from safetensors.torch import load_file
from torch import Tensor

from ptycho_torch.nets.denoiser import Denoiser
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.pretrained import DENOISER
from tests.strategies.fields import complex_field


def _shipped() -> Denoiser:
    model = Denoiser()
    model.load_state_dict(load_file(DENOISER))
    return model.eval()


def _noisy(deviation: float) -> tuple[Tensor, Tensor, Tensor]:
    clean = torch.from_numpy(natural_object("coins", "camera", 128)).to(torch.complex64)[None]
    noise = deviation * complex_field(*clean.shape, seed=2, dtype=torch.complex64) / 2**0.5
    return clean, clean + noise, torch.full(clean.shape, deviation)


def test_it_removes_most_noise_of_photographs_that_it_never_saw() -> None:
    """Less than half of it is left where it is a tenth or a third of the object."""
    for deviation in (0.1, 0.3):
        clean, noisy, size = _noisy(deviation)
        with torch.inference_mode():
            left = _shipped()(noisy, size) - clean
        assert float(left.abs().square().mean().sqrt()) < 0.5 * deviation


def test_a_phase_factor_of_the_object_goes_through() -> None:
    """`D(z e^(ia)) = D(z) e^(ia)`."""
    _, noisy, size = _noisy(0.2)
    factor = torch.polar(torch.tensor(1.0), torch.tensor(2.0))
    with torch.inference_mode():
        torch.testing.assert_close(
            _shipped()(noisy * factor, size), _shipped()(noisy, size) * factor, atol=1e-4, rtol=0
        )


def test_an_object_without_noise_stays() -> None:
    """Whatever the weights are."""
    clean, _, size = _noisy(0.2)
    with torch.inference_mode():
        torch.testing.assert_close(_shipped()(clean, 0 * size), clean, rtol=0, atol=0)
