"""The network that a configuration names."""

import inspect
from collections.abc import Callable
from typing import Any, get_args

from torch import nn

from ptycho_config import ConfigError, Problem
from ptycho_config.schema import External, ModelConfig, NeuralopUno, TorchOptions, Unrolled
from ptycho_config.schema.networks import Sees
from ptycho_config.schema.setup import network_problems
from ptycho_config.schema.specs import kind_of
from ptycho_torch.nets.adapter import PerGroup
from ptycho_torch.nets.cnn import CnnNet
from ptycho_torch.nets.fourier import ffno, fno, fno_vanilla
from ptycho_torch.nets.network import NETWORKS, Factory, Network, ObjectNetwork
from ptycho_torch.nets.neuralop import UnoNet
from ptycho_torch.nets.size import limited_size
from ptycho_torch.nets.unrolled import UnrolledNet
from ptycho_torch.nets.unrolled_patches import UnrolledPatchNet


def _per_group(network: Callable[[ModelConfig, Any], nn.Module]) -> Factory:
    return lambda model, net: PerGroup(network(model, net), model.gridsize**2)


def _unrolled_network(_: ModelConfig, net: Unrolled) -> nn.Module:
    kind = UnrolledNet if net.stitched else UnrolledPatchNet
    return kind(net.width, net.levels, net.stages, net.alpha)


NETWORKS.add("unrolled")(_unrolled_network)
NETWORKS.add("cnn")(_per_group(CnnNet))
NETWORKS.add("fno")(_per_group(lambda model, _: fno(model)))
NETWORKS.add("fno_vanilla")(_per_group(lambda model, _: fno_vanilla(model)))
NETWORKS.add("ffno")(_per_group(lambda model, _: ffno(model)))
NETWORKS.add("neuralop_uno")(_per_group(lambda *_: UnoNet()))


def build_network(model: ModelConfig, options: TorchOptions) -> nn.Module:
    """A fresh network, an `nn.Module` that is a `nets.network.Network`.

    model: sizes and the options that several networks share; options: its field `net` names the network.
    Raises ConfigError where that of another package is missing or does not fit.
    """
    net = options.net
    if isinstance(net, External):
        return _build_external(model, options, net)
    return NETWORKS.find(kind_of(type(net)), "torch.net")(model, net)


def check_network_size(model: ModelConfig, options: TorchOptions, copies: int, gpu_free: int | None = None) -> None:
    """Raise ConfigError where the network that `build_network` would make of model and options does not fit into
    memory, `copies` times, or into the gpu_free bytes of a GPU, if one computes.

    The size of a network of another package is only known when it is there.
    """
    if not isinstance(options.net, External | NeuralopUno):
        with limited_size("torch.net", copies, gpu_free, values=False):
            build_network(model, options)


def _build_external(model: ModelConfig, options: TorchOptions, net: External) -> nn.Module:
    factory = NETWORKS.find(str(net.name), "torch.net.name")
    try:
        inspect.signature(factory).bind(model, **net.arguments)
    except TypeError as error:
        message = f"do not fit the network {net.name!r}: {error}"
        raise ConfigError([Problem("torch.net.options", message)]) from None
    network = factory(model, **net.arguments)
    if not (isinstance(network, nn.Module) and isinstance(network, Network) and _says_what_it_sees(network)):
        message = (
            f"{net.name!r} gives a {type(network).__name__}, which is not a network: it must be an nn.Module "
            f"with 'fixes_scale' and 'sees', one of {', '.join(map(repr, get_args(Sees)))} (with 'reconstruct' too)"
        )
        raise ConfigError([Problem("torch.net.name", message, hint="see ptycho_torch.nets.network.Network")])
    problems = list(network_problems(options, model, network.sees, fixes_scale=network.fixes_scale))
    if problems:
        raise ConfigError(problems, f"the network {net.name!r}")
    return network


def _says_what_it_sees(network: Network) -> bool:
    if network.sees == "object":
        return isinstance(network, ObjectNetwork)
    return network.sees in get_args(Sees)
