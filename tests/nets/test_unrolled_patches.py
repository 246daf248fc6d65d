"""The unrolled network of single patterns."""

import pytest
import torch

from ptycho_config.schema import ModelConfig, TorchOptions, Unrolled
from ptycho_torch.nets import UNet
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.physics.projection import object_gradient
from tests.strategies.fields import complex_field


def _network(stages: int = 1) -> torch.nn.Module:
    options = TorchOptions(net=Unrolled(width=8, stages=stages, stitched=False))
    return build_model(ModelConfig(architecture="unrolled"), options, seed=0).network


def _views(size: int, modes: int) -> tuple[torch.Tensor, ...]:
    amplitude = complex_field(2, size, 16, 16, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(2, size, modes, 16, 16, seed=2, dtype=torch.complex64)
    initial = 1 + 0.2 * complex_field(2, size, 16, 16, seed=3, dtype=torch.complex64)
    return amplitude, probe, initial, torch.zeros(2, size, 2, dtype=torch.int64)


def test_before_training_it_is_the_projection_step() -> None:
    """Corrections start at zero, so training starts from the known physics."""
    amplitude, probe, initial, _ = _views(1, modes=3)
    expected = initial + object_gradient(initial, probe, amplitude, Unrolled().alpha)
    torch.testing.assert_close(_network()(*_views(1, modes=3)), expected)


def test_every_parameter_learns() -> None:
    """No parameter is built and then left without a gradient."""
    network = _network(stages=2)
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, UNet):
            torch.nn.init.normal_(module.head.weight, std=0.1, generator=generator)
    network(*_views(2, modes=1)).abs().square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_patterns_do_not_see_each_other() -> None:
    """A patch depends on its own pattern, whatever else is in the batch."""
    network = _network()
    alone = network(*(view[:, 1:2] for view in _views(3, modes=1)))
    torch.testing.assert_close(network(*_views(3, modes=1))[:, 1:2], alone)


@pytest.mark.parametrize(("height", "width"), [(17, 21), (50, 51), (24, 16)])
def test_a_unet_adds_zeros_where_a_side_cannot_be_halved(height: int, width: int) -> None:
    """At the bottom and on the right, and cuts them off; whole sides are left as they are."""
    net = UNet(2, 2, width=4, levels=2)
    torch.nn.init.normal_(net.head.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    image = complex_field(1, 2, height, width, seed=4, dtype=torch.complex64).real
    whole = torch.zeros(1, 2, *(-(-side // 8) * 8 for side in (height, width)))
    whole[..., :height, :width] = image
    torch.testing.assert_close(net(image), net(whole)[..., :height, :width])
    assert net(whole).shape == whole.shape
