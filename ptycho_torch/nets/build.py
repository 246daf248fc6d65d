"""The network that a configuration names."""

from typing import assert_never

from torch import nn

from ptycho_config import Cnn, Ffno, Fno, FnoVanilla, ModelConfig, NeuralopUno, TorchOptions, Unrolled
from ptycho_torch.nets.adapter import PerGroup
from ptycho_torch.nets.cnn import CnnNet
from ptycho_torch.nets.fourier import ffno, fno, fno_vanilla
from ptycho_torch.nets.neuralop import UnoNet
from ptycho_torch.nets.unrolled import UnrolledNet
from ptycho_torch.nets.unrolled_patches import UnrolledPatchNet


def build_network(model: ModelConfig, options: TorchOptions) -> nn.Module:
    """The module that gives patches `(B, S, N, N)` for `(amplitude (B, S, N, N), probe (B, S, P, N, N),
    initial patches (B, S, N, N), centre_yx (B, S, 2), good (N, N) or None)`."""
    net, channels = options.net, model.gridsize**2
    match net:
        case Unrolled():
            kind = UnrolledNet if net.stitched else UnrolledPatchNet
            return kind(net.width, net.levels, net.stages, net.alpha)
        case Cnn():
            return PerGroup(CnnNet(model, net), channels)
        case Fno():
            return PerGroup(fno(model), channels)
        case FnoVanilla():
            return PerGroup(fno_vanilla(model), channels)
        case Ffno():
            return PerGroup(ffno(model), channels)
        case NeuralopUno():
            return PerGroup(UnoNet(), channels)
        case never:
            assert_never(never)
