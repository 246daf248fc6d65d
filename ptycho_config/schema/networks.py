"""The networks: a choice between small classes, each with its own options and no others.

What several networks share (`fno_modes`, `n_filters_scale`, ...) is part of the canonical
`ModelConfig`, because the legacy dict knows it.
"""

from typing import ClassVar, Literal

from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import between, odd, positive, share_below_one


@config
class Cnn:
    """Convolutional encoder and decoders."""

    cnn_output_mode: Literal["amp_phase", "real_imag"] = field(
        default="amp_phase", doc="heads: amplitude and phase, or real and imaginary part"
    )
    use_shared_decoder: bool = field(default=False, doc="one decoder with two heads instead of two decoders")
    batch_norm: bool = field(default=False, doc="batch normalisation after the convolutions")
    cbam_encoder: bool = field(default=True, doc="channel and spatial attention (CBAM) in the encoder")
    eca_encoder: bool = field(default=False, doc="channel attention (ECA) in the encoder, where CBAM is off")
    cbam_bottleneck: bool = field(default=False, doc="CBAM between encoder and decoders")
    cbam_decoder: bool = field(default=False, doc="CBAM in the decoders, where ECA and spatial are off")
    eca_decoder: bool = field(default=False, doc="ECA in the decoders")
    spatial_decoder: bool = field(default=False, doc="spatial attention in the decoders, where ECA is off")
    decoder_spatial_kernel: int = field(
        default=7, unit="px", check=odd, doc="kernel of the spatial attention of the decoders"
    )
    use_legacy_decoder_channel_override: bool = field(
        default=False, doc="take the channels of the outer border from the two options below"
    )
    decoder_last_c_outer_fraction: float = field(
        default=0.125, check=between(0.0, 0.5), doc="share of the last channels that draws the outer border"
    )


@config
class Fno:
    """Fourier layers with a parallel convolution, then convolutions."""


@config
class FnoVanilla:
    """Fourier layers with a parallel convolution, nothing after them."""

    KIND: ClassVar[str] = "fno_vanilla"


@config
class Ffno:
    """Fourier layers factorised by axis, with one shared operator and gate."""


@config
class NeuralopUno:
    """The U-shaped neural operator of the `neuraloperator` package."""

    KIND: ClassVar[str] = "neuralop_uno"


@config
class Unrolled:
    """Known-probe projection steps, each followed by a learned correction."""

    stages: int = field(default=4, check=positive, doc="projection steps, each with its own correction")
    width: int = field(default=16, unit="channels", check=positive, doc="channels at the finest level")
    levels: int = field(default=2, check=between(1, 4), doc="halvings of the U-Net")
    stitched: bool = field(
        default=True,
        doc="steps and corrections on the one object of all patterns, instead of on each pattern's patch",
    )
    start: Literal["coarse", "flat"] = field(
        default="coarse",
        doc="first guess of the object: from totals and centres of mass of the patterns, or 1",
    )
    alpha: float = field(
        default=0.1,
        check=share_below_one,
        doc="regularisation of the projection step: 0 ePIE-like, near 1 PIE-like",
    )


Network = Cnn | Fno | FnoVanilla | Ffno | NeuralopUno | Unrolled
