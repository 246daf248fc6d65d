"""The network that a configuration names."""

from torch import nn

from ptycho_config import ModelConfig, Primed, TorchOptions
from ptycho_torch.nets.primed import PrimedNet


def build_network(model: ModelConfig, options: TorchOptions) -> nn.Module:
    """The module `(amplitude (B, N, N), probe (B, P, N, N)) -> patches (B, N, N)`."""
    match options.net:
        case Primed() as net:
            return PrimedNet(net.width, net.levels, net.stages, net.alpha)
        case _:
            raise ValueError(f"network {model.architecture!r} is not available; this version has 'primed'")
