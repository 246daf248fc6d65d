"""The convolutional autoencoder: one encoder, a decoder for each part of the complex object."""

from torch import Tensor, nn

from ptycho_config.schema import Cnn, ModelConfig
from ptycho_torch.nets.cnn_decoder import Decoders, SharedDecoder
from ptycho_torch.nets.cnn_parts import ConvBlock
from ptycho_torch.nets.gates import Cbam, Eca
from ptycho_torch.nets.heads import AMPLITUDE, bounded_imaginary, bounded_phase, bounded_real, polar, rectangular

# Channels over `n_filters_scale`, by the side of a pattern; every encoder ends at 8 x 8 pixels.
ENCODER = {64: (32, 64, 128), 128: (16, 32, 64, 128), 256: (8, 16, 32, 64, 128)}


def encoder(channels: int, model: ModelConfig, options: Cnn) -> nn.Sequential:
    """Blocks of two convolutions, attention and pooling: `(G, C, N, N)` to `(G, 128 s, 8, 8)`.

    channels: C; model: N and s = `n_filters_scale`; options: the kind of attention.
    """
    layers: list[nn.Module] = []
    for width in ENCODER[model.N]:
        out = width * model.n_filters_scale
        layers.append(ConvBlock(channels, out, batch_norm=options.batch_norm))
        if options.cbam_encoder:
            layers.append(Cbam(out))
        elif options.eca_encoder:
            layers.append(Eca())
        layers.append(nn.MaxPool2d(2))
        channels = out
    return nn.Sequential(*layers)


class CnnNet(nn.Module):
    """Encoder, bottleneck and decoders without skip connections.

    amp_phase: `O = f(a) exp(i pi tanh p)` with f the amplitude activation; real_imag:
    `O = 0.2 + tanh a + 1.2 i tanh p`.
    """

    def __init__(self, model: ModelConfig, options: Cnn) -> None:
        super().__init__()
        channels = model.gridsize**2
        self.encoder = encoder(channels, model, options)
        widest = ENCODER[model.N][-1] * model.n_filters_scale
        self.bottleneck = Cbam(widest) if options.cbam_bottleneck else nn.Identity()
        real_imag = options.cnn_output_mode == "real_imag"
        heads = (bounded_real, bounded_imaginary) if real_imag else (AMPLITUDE[model.amp_activation], bounded_phase)
        self.combine = rectangular if real_imag else polar
        kind = SharedDecoder if options.use_shared_decoder else Decoders
        self.decoder: nn.Module = kind(channels, model, options, heads)

    def forward(self, amplitude: Tensor) -> Tensor:
        """Amplitude `(G, C, N, N)` to complex patches `(G, C, N, N)`."""
        first, second = self.decoder(self.bottleneck(self.encoder(amplitude)))
        return self.combine(first, second)
