"""The network that a configuration names."""

from torch import nn

from ptycho_config import ModelConfig, TorchOptions
from ptycho_torch.nets.primed import PrimedNet


def build_network(model: ModelConfig, options: TorchOptions) -> nn.Module:
    """The module `(amplitude (B, N, N), probe (B, P, N, N)) -> patches (B, N, N)`."""
    match model.architecture:
        case "primed":
            primed = options.primed
            return PrimedNet(primed.width, primed.levels, primed.stages, primed.alpha)
        case other:
            raise ValueError(f"model.architecture {other!r} is not available; this version has 'primed'")
