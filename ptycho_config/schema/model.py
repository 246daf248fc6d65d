"""The network and the physics it is trained against."""

import functools
from collections.abc import Iterator
from typing import Literal, get_args

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field, kind_of
from ptycho_config.schema.checks import at_least, between, non_negative, positive
from ptycho_config.schema.networks import Architecture, Network, NetworkFacts

gone = functools.partial(field, unread="belongs to a network that the replaced system does not have any more")
_SIDES = f"{', '.join(map(str, NetworkFacts.sides_px[:-1]))} or {NetworkFacts.sides_px[-1]}"
_SIDES_PX = {kind_of(member): member.sides_px for member in get_args(Network)}


def _side_of_the_network(model: "ModelConfig") -> Iterator[Problem]:
    sides = _SIDES_PX[model.architecture]
    if sides and model.N not in sides:
        yield Problem(
            "N",
            f"the network {model.architecture!r} takes patterns of {_SIDES} px, got {model.N}",
            hint="set architecture=unrolled, which takes every size, crop or bin the patterns, or refine the "
            "scan without a network: ptycho refine",
        )


@config(constraints=(_side_of_the_network,))
class ModelConfig:
    """What is reconstructed by what: pattern size, grouping, network, forward model."""

    N: int = field(
        default=64,
        unit="px",
        check=at_least(16),
        doc=f"side of a diffraction pattern: any with unrolled and external networks, {_SIDES} with others",
    )
    gridsize: int = field(
        default=1, check=between(1, 3), doc="patches per side of a group; a group has gridsize^2 patterns"
    )
    n_filters_scale: int = field(default=2, check=positive, doc="width factor of the cnn")
    model_type: Literal["pinn", "supervised"] = field(
        default="pinn", doc="pinn learns from the patterns alone, supervised from labels"
    )
    architecture: Architecture = field(
        default="cnn",
        renamed={"primed": "unrolled"},
        doc="network; 'unrolled' puts known-probe projection steps before the convolutions, 'external' is "
        "one of another package that torch.net.name names",
    )
    fno_modes: int = field(default=12, check=positive, doc="Fourier modes kept per axis")
    fno_width: int = field(default=32, check=positive, doc="channels of the Fourier layers")
    fno_blocks: int = field(default=4, check=positive, doc="number of Fourier blocks")
    fno_cnn_blocks: int = field(default=2, check=non_negative, doc="convolutions after the Fourier blocks")
    learned_input_channels: int = field(default=1, check=positive, doc="input channels per pattern")
    max_hidden_channels: int | None = gone(default=None, check=positive, doc="upper limit of channel growth")
    resnet_width: int | None = gone(default=None, check=positive, doc="channels of the residual bottleneck")
    fno_input_transform: Literal["none", "sqrt", "log1p", "instancenorm"] = field(
        default="none", doc="transform of the input before the Fourier layers"
    )
    generator_output_mode: Literal["real_imag", "amp_phase_logits", "amp_phase"] = field(
        default="real_imag", doc="how a network states a complex object"
    )
    amp_activation: Literal["sigmoid", "swish", "softplus", "relu"] = field(
        default="sigmoid", doc="activation of the amplitude head"
    )
    object_big: bool = field(default=True, doc="merge the patches of a group into one region before the forward model")
    probe_big: bool = field(default=True, doc="reconstruct outside the central half of the patch too")
    probe_mask: bool = field(default=False, doc="multiply the probe with a soft disk")
    probe_mask_sigma: float = field(default=1.0, unit="px", check=non_negative, doc="edge width of the soft disk")
    probe_mask_diameter: float | None = field(
        default=None, unit="px", check=positive, doc="diameter of the soft disk; null means N/2"
    )
    pad_object: bool = gone(default=True, doc="zero-pad the object outside the centre")
    probe_scale: float = field(
        default=4.0, check=positive, doc="modulus of a typical object in the units of the network, times 4"
    )
    gaussian_smoothing_sigma: float = field(
        default=0.0, unit="px", check=non_negative, doc="Gaussian smoothing of the probe"
    )
