"""The network and the physics it is trained against."""

import functools
from collections.abc import Iterator
from typing import Literal, get_args

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import at_least, between, non_negative, positive
from ptycho_config.schema.fields import option
from ptycho_config.schema.given import Given
from ptycho_config.schema.networks import Architecture, Network, NetworkFacts
from ptycho_config.schema.specs import kind_of

gone = functools.partial(option, unread="belongs to a network that the replaced system does not have any more")
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
class ModelConfig(Given):
    """The object and its model: pattern size, grouping, network, forward model."""

    N: int = option(
        64,
        f"side of a diffraction pattern: any with unrolled and external networks, {_SIDES} with others",
        unit="px",
        check=at_least(16),
    )
    gridsize: int = option(1, "patches per side of a group; a group has gridsize^2 patterns", check=between(1, 3))
    n_filters_scale: int = option(2, "width factor of the cnn", check=positive)
    model_type: Literal["pinn", "supervised"] = option(
        "pinn", "pinn: learn from patterns alone; supervised: from labels"
    )
    architecture: Architecture = option(
        "cnn",
        "network; 'unrolled' puts known-probe projection steps before the convolutions, 'external' is "
        "one of another package that torch.net.name names",
        renamed={"primed": "unrolled"},
    )
    fno_modes: int = option(12, "Fourier modes kept per axis", check=positive)
    fno_width: int = option(32, "channels of the Fourier layers", check=positive)
    fno_blocks: int = option(4, "number of Fourier blocks", check=between(1, 1000))
    fno_cnn_blocks: int = option(2, "convolutions after the Fourier blocks", check=between(0, 1000))
    learned_input_channels: int = option(1, "input channels per pattern", check=positive)
    max_hidden_channels: int | None = gone(None, "upper limit of channel growth", check=positive)
    resnet_width: int | None = gone(None, "channels of the residual bottleneck", check=positive)
    fno_input_transform: Literal["none", "sqrt", "log1p", "instancenorm"] = option(
        "none", "transform of the input before the Fourier layers"
    )
    generator_output_mode: Literal["real_imag", "amp_phase_logits", "amp_phase"] = option(
        "real_imag", "representation in which a network gives the object"
    )
    amp_activation: Literal["sigmoid", "swish", "softplus", "relu"] = option("sigmoid", "activation of the amplitude")
    object_big: bool = option(True, "merge the patches of a group into one region before the forward model")
    probe_big: bool = option(True, "reconstruct outside the central half of the patch too")
    probe_mask: bool = option(False, "multiply the probe with a soft disk")
    probe_mask_sigma: float = option(1.0, "edge width of the soft disk", unit="px", check=non_negative)
    probe_mask_diameter: float | None = option(None, "diameter of the soft disk; null: N/2", unit="px", check=positive)
    pad_object: bool = gone(True, "zero-pad the object outside the centre")
    probe_scale: float = option(4.0, "modulus of a typical object in the units of the network, times 4", check=positive)
    gaussian_smoothing_sigma: float = option(0.0, "Gaussian smoothing of the probe", unit="px", check=non_negative)
