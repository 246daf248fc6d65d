"""Decoders of the convolutional network."""

from itertools import pairwise

from torch import Tensor, nn

from ptycho_config.schema import Cnn, ModelConfig
from ptycho_torch.nets.cnn_parts import ConvBlock, PatchHead, Refinement
from ptycho_torch.nets.gates import Cbam, Eca, SpatialGate
from ptycho_torch.nets.heads import Activation

# Channels over `n_filters_scale` from the latent image on; each step doubles the side.
DECODER = {64: (128, 64, 32), 128: (128, 128, 64, 32), 256: (128, 256, 128, 64, 32)}


def outer_channels(model: ModelConfig, options: Cnn, out: int) -> int:
    """The number of channels for the border of a patch.

    model: N and the width factor; options: whether the border has fewer channels than the centre; out: the
    channels of the centre.
    """
    if options.use_legacy_decoder_channel_override:
        return max(1, int(DECODER[model.N][-1] * model.n_filters_scale * options.decoder_last_c_outer_fraction))
    return out


def _attention(channels: int, options: Cnn) -> list[nn.Module]:
    if options.eca_decoder:
        return [Eca()]
    if options.spatial_decoder:
        return [SpatialGate(options.decoder_spatial_kernel)]
    return [Cbam(channels)] if options.cbam_decoder else []


def body(model: ModelConfig, options: Cnn, *, batch_norm: bool, refined: bool = False) -> nn.Sequential:
    """`(G, 128 s, 8, 8)` to `(G, 32 s, N/2, N/2)`.

    model: N and s = `n_filters_scale`; options: the kind of attention; batch_norm: after the convolutions;
    refined: a refinement after each doubling of the side.
    """
    widths = [width * model.n_filters_scale for width in DECODER[model.N]]
    layers: list[nn.Module] = []
    for number, (channels, out) in enumerate(pairwise(widths)):
        layers += [ConvBlock(channels, out, batch_norm=batch_norm), *_attention(out, options)]
        layers.append(nn.Upsample(scale_factor=2.0))
        if refined:
            last = number == len(widths) - 2
            layers.append(Refinement(out, 2 * out if last else out))
    return nn.Sequential(*layers)


class Decoder(nn.Module):
    """One part of the object, amplitude or phase (real or imaginary): `(G, 128 s, 8, 8)` to `(G, C, N, N)`."""

    def __init__(self, channels: int, model: ModelConfig, options: Cnn, head: Activation, *, batch_norm: bool) -> None:
        super().__init__()
        self.activation = head
        self.body = body(model, options, batch_norm=batch_norm)
        last, outer = DECODER[model.N][-1] * model.n_filters_scale, outer_channels(model, options, channels)
        self.head = PatchHead(last, outer, channels, border=model.probe_big, batch_norm=batch_norm)

    def forward(self, latent: Tensor) -> Tensor:
        """The activated part."""
        part: Tensor = self.head(self.body(latent), self.activation)
        return part


class Decoders(nn.Module):
    """A decoder for each part; only the second one has batch normalisation."""

    def __init__(self, channels: int, model: ModelConfig, options: Cnn, heads: tuple[Activation, Activation]) -> None:
        super().__init__()
        self.first = Decoder(channels, model, options, heads[0], batch_norm=False)
        self.second = Decoder(channels, model, options, heads[1], batch_norm=options.batch_norm)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Both activated parts."""
        return self.first(latent), self.second(latent)


class SharedDecoder(nn.Module):
    """One body with refinements for both parts, split at the end."""

    def __init__(self, channels: int, model: ModelConfig, options: Cnn, heads: tuple[Activation, Activation]) -> None:
        super().__init__()
        self.channels, self.heads = channels, heads
        self.body = body(model, options, batch_norm=options.batch_norm, refined=True)
        self.gate = Eca()
        last = DECODER[model.N][-1] * model.n_filters_scale
        outer = outer_channels(model, options, 2 * channels)
        self.head = PatchHead(last, outer, 2 * channels, border=model.probe_big, batch_norm=options.batch_norm)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Both activated parts."""
        both = self.head(self.gate(self.body(latent)), lambda x: x)
        first, second = both.split(self.channels, dim=1)
        return self.heads[0](first), self.heads[1](second)
