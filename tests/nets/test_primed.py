"""The physics-primed network."""

import torch

from ptycho_config import ModelConfig, Primed, TorchOptions
from ptycho_torch.nets import UNet
from ptycho_torch.physics.projection import object_gradient
from ptycho_torch.reconstructor import build_model
from tests.strategies.fields import complex_field


def _network(stages: int = 1) -> torch.nn.Module:
    options = TorchOptions(net=Primed(width=8, stages=stages))
    return build_model(ModelConfig(architecture="primed"), options, seed=0).network


def test_before_training_it_is_the_projection_step() -> None:
    """Corrections start at zero, so training starts from the known physics."""
    amplitude = complex_field(2, 1, 16, 16, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(2, 1, 3, 16, 16, seed=2, dtype=torch.complex64)
    flat = torch.ones(2, 1, 16, 16, dtype=torch.complex64)
    expected = flat + object_gradient(flat, probe, amplitude, Primed().alpha)
    torch.testing.assert_close(_network()(amplitude, probe), expected)


def test_every_parameter_learns() -> None:
    """No parameter is built and then left without a gradient."""
    network = _network(stages=2)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, UNet):
            torch.nn.init.normal_(module.head.weight, std=0.1, generator=generator)
    amplitude = complex_field(1, 2, 16, 16, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(1, 2, 1, 16, 16, seed=2, dtype=torch.complex64)
    network(amplitude, probe).abs().square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_patterns_do_not_see_each_other() -> None:
    """A patch depends on its own pattern, whatever else is in the batch."""
    network = _network()
    amplitude = complex_field(1, 3, 16, 16, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(1, 3, 1, 16, 16, seed=2, dtype=torch.complex64)
    torch.testing.assert_close(network(amplitude, probe)[:, 1:2], network(amplitude[:, 1:2], probe[:, 1:2]))
