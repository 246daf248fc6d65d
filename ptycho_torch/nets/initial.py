"""The first weights of networks of images: they draw about the wanted modulus, and depend on their input.

Far from the modulus that the patterns ask for, an activation can have no slope, and nothing is ever learned. By torch's
own first weights every ReLU shrinks the differences of two inputs, until no gradient tells them apart.
"""

import math
from collections.abc import Callable

import torch
from scipy.special import lambertw
from torch import nn

from ptycho_config.schema import Cnn, ModelConfig
from ptycho_config.schema.networks import Network
from ptycho_torch.nets.cnn import CnnNet
from ptycho_torch.nets.cnn_decoder import Decoders, SharedDecoder
from ptycho_torch.nets.cnn_parts import PatchHead
from ptycho_torch.nets.fourier import OperatorNet
from ptycho_torch.nets.gates import ChannelGate, Eca, SpatialGate
from ptycho_torch.nets.heads import REAL_OFFSET

# Spread of what the last convolutions of the cnn draw, of features of unit power.
SPREAD = 0.02
# Factor of a gate at its start, near sigmoid(0).
_GATE = 0.5
# The input of an activation at which it gives a modulus.
_INVERSE: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda m: math.log(m / (1.0 - m)),
    "swish": lambda m: m + float(lambertw(m * math.exp(-m)).real),
    "softplus": lambda m: math.log(math.expm1(m)),
    "relu": lambda m: m,
    "bounded_real": lambda m: math.atanh(m - REAL_OFFSET),
    "real": lambda m: m,
}
# The modulus that a bounded head starts at: as far from its ends as an object needs.
_BOUNDED = {"sigmoid": 0.5, "bounded_real": 1.0}


def first_head(model: ModelConfig, net: Network) -> str:
    """The activation that draws the amplitude or the real part; model, net: the options of a network of images."""
    if isinstance(net, Cnn):
        return "bounded_real" if net.cnn_output_mode == "real_imag" else model.amp_activation
    bounded = net.output_mode and model.generator_output_mode != "real_imag"
    return "sigmoid" if bounded else "real"


def output_factor(model: ModelConfig, net: Network, modulus: float) -> float:
    """The factor behind a network with a bounded head with which it starts at `modulus`; 1 for every other.

    model, net: its options.
    """
    start = _BOUNDED.get(first_head(model, net))
    return 1.0 if start is None else modulus / start


@torch.no_grad()
def set_first_weights(network: nn.Module, model: ModelConfig, net: Network, modulus: float) -> None:
    """Set the first weights of a network in place, so that it draws about `modulus` at phase 0, behind its
    `output_factor`.

    model, net: its options. Networks that start from physics stay as they are.
    """
    head = first_head(model, net)
    bias = _INVERSE[head](_BOUNDED.get(head, modulus))
    for module in network.modules():
        match module:
            case CnnNet():
                _start_cnn(module, bias)
            case OperatorNet():
                first = torch.cat([torch.full((module.patterns,), bias), torch.zeros(module.patterns)])
                for layer, part in zip(module.heads, first.chunk(len(module.heads)), strict=True):
                    layer.get_parameter("bias").copy_(part)


def _start_cnn(network: CnnNet, bias: float) -> None:
    kept = _keep_power([network.encoder, network.bottleneck])
    if isinstance(network.decoder, SharedDecoder):
        _start_head(network.decoder.head, (bias, 0.0), _keep_power([network.decoder.body, network.decoder.gate], kept))
    elif isinstance(network.decoder, Decoders):
        for decoder, first in ((network.decoder.first, bias), (network.decoder.second, 0.0)):
            _start_head(decoder.head, (first,), _keep_power([decoder.body], kept))


def _start_head(head: PatchHead, biases: tuple[float, ...], kept: float) -> None:
    last = {head.centre: kept}
    if isinstance(head.border, nn.Sequential):
        hidden, enlarged, drawing = head.border
        assert isinstance(drawing, nn.Conv2d)
        last[drawing] = _keep_power([hidden, enlarged], kept)
    for layer, power in last.items():
        assert layer.bias is not None
        nn.init.normal_(layer.weight, std=SPREAD / power / math.sqrt(layer.weight[0].numel()))
        layer.bias.copy_(torch.tensor(biases).repeat_interleave(len(layer.bias) // len(biases)))


def _keep_power(layers: list[nn.Module], kept: float = 1.0) -> float:
    """Set convolutions so that ReLUs and gates before and behind them keep the spread of features (He et al. 2015).

    kept: the share of its spread that the input of the layers has; returns that of their output.
    """
    for layer in layers:
        match layer:
            case ChannelGate() | SpatialGate() | Eca():
                kept *= _GATE
            case nn.Conv2d():
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                layer.weight.div_(kept)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)
                kept = 1.0
            case _:
                kept = _keep_power(list(layer.children()), kept)
    return kept
