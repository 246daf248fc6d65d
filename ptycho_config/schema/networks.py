"""The networks: a choice between small classes, each with its own options and no others.

What several networks share (`fno_modes`, `n_filters_scale`, ...) is part of the canonical
`ModelConfig`, because the legacy dict knows it.
"""

import json
from typing import Any, ClassVar, Literal

from ptycho_config.schema.base import config
from ptycho_config.schema.checks import assignments, between, odd, part_name, positive, share_below_one
from ptycho_config.schema.fields import option
from ptycho_config.schema.scalars import EntryPoint

# The patterns of a group together, as channels; each pattern alone; one object for all patterns.
Sees = Literal["group", "pattern", "object"]


class NetworkFacts:
    """Facts about a network that other options depend on; the defaults describe networks of images.

    sides_px: sides of patterns that it is built for, empty for any; fixes_scale: it compares its input
    with the probe, which fixes the units; output_mode: the option that says how it states a complex
    object, empty where it always gives real and imaginary part.
    """

    __slots__ = ()
    sides_px: ClassVar[tuple[int, ...]] = (64, 128, 256)
    fixes_scale: ClassVar[bool] = False
    output_mode: ClassVar[str] = "generator_output_mode"

    @property
    def sees(self) -> Sees | None:
        """The patterns that it sees together; None where only the network itself can say."""
        return "group"

    @property
    def any_size(self) -> bool:
        """Whether the trained weights serve patterns of every side."""
        return False

    @property
    def start(self) -> Literal["coarse", "flat"]:
        """The first guess of the object that it is given."""
        return "flat"


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@config
class Cnn(NetworkFacts):
    """Convolutional encoder and decoders."""

    output_mode: ClassVar[str] = "cnn_output_mode"

    cnn_output_mode: Literal["amp_phase", "real_imag"] = option(
        "amp_phase", "heads: amplitude and phase, or real and imaginary part"
    )
    use_shared_decoder: bool = option(False, "one decoder with two heads instead of two decoders")
    batch_norm: bool = option(False, "batch normalisation after the convolutions")
    cbam_encoder: bool = option(True, "channel and spatial attention (CBAM) in the encoder")
    eca_encoder: bool = option(False, "channel attention (ECA) in the encoder, where CBAM is off")
    cbam_bottleneck: bool = option(False, "CBAM between encoder and decoders")
    cbam_decoder: bool = option(False, "CBAM in the decoders, where ECA and spatial are off")
    eca_decoder: bool = option(False, "ECA in the decoders")
    spatial_decoder: bool = option(False, "spatial attention in the decoders, where ECA is off")
    decoder_spatial_kernel: int = option(7, "kernel of the spatial attention of the decoders", unit="px", check=odd)
    use_legacy_decoder_channel_override: bool = option(
        False, "take the channels of the outer border from the two options below"
    )
    decoder_last_c_outer_fraction: float = option(
        0.125, "share of the last channels that draws the outer border", check=between(0.0, 0.5)
    )


@config
class Fno(NetworkFacts):
    """Fourier layers with a parallel convolution, then convolutions."""


@config
class FnoVanilla(NetworkFacts):
    """Fourier layers with a parallel convolution, nothing after them."""

    KIND: ClassVar[str] = "fno_vanilla"


@config
class Ffno(NetworkFacts):
    """Fourier layers factorised by axis, with one shared operator and gate."""


@config
class NeuralopUno(NetworkFacts):
    """The U-shaped neural operator of the `neuraloperator` package."""

    KIND: ClassVar[str] = "neuralop_uno"


@config
class Unrolled(NetworkFacts):
    """Known-probe projection steps, each followed by a learned correction."""

    sides_px: ClassVar[tuple[int, ...]] = ()
    fixes_scale: ClassVar[bool] = True
    output_mode: ClassVar[str] = ""

    stages: int = option(4, "projection steps, each with its own correction", check=between(1, 1000))
    width: int = option(16, "channels at the finest level", unit="channels", check=positive)
    levels: int = option(2, "halvings of the U-Net", check=between(1, 4))
    stitched: bool = option(True, "work on the one object of all patterns instead of on each pattern's patch")
    start: Literal["coarse", "flat"] = option(
        "coarse", "first guess of the object: from totals and centres of mass of the patterns, or 1"
    )
    alpha: float = option(0.1, "regularisation of the projection: 0 ePIE-like, near 1 PIE-like", check=share_below_one)

    @property
    def sees(self) -> Sees:
        """One object where `stitched`, else each pattern alone."""
        return "object" if self.stitched else "pattern"

    @property
    def any_size(self) -> bool:
        """True: it learns convolutions."""
        return True


@config
class External(NetworkFacts):
    """A network of another package, found through an entry point of the group `ptycho.networks`."""

    sides_px: ClassVar[tuple[int, ...]] = ()
    output_mode: ClassVar[str] = ""

    name: EntryPoint | None = option(
        None, "the network as 'package:name'; required where it is chosen", check=part_name()
    )
    options: tuple[str, ...] = option(
        (), "its own options, each as 'name=value' with a JSON value or bare text", check=assignments
    )
    any_size: bool = option(False, "its trained weights serve patterns of every side")
    start: Literal["coarse", "flat"] = option("flat", "first guess of the object, as for the network unrolled")

    @property
    def sees(self) -> None:
        """Known when the network is built."""

    @property
    def arguments(self) -> dict[str, Any]:
        """`options` by name, read as JSON where they are that."""
        return {name: _value(text) for name, _, text in (option.partition("=") for option in self.options)}


# The kinds of the members of the choice below.
Architecture = Literal["cnn", "ffno", "fno", "fno_vanilla", "neuralop_uno", "external", "unrolled"]
Network = Cnn | Fno | FnoVanilla | Ffno | NeuralopUno | External | Unrolled
