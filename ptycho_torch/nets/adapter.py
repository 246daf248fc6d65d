"""From clusters of patterns to networks that see a whole group at once."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from ptycho_config.schema.networks import Sees


class PerGroup(nn.Module):
    """A network of C channels on the groups of a cluster; it sees neither probe nor positions.

    network: `(amplitude (G, C, N, N))`, zero frequency at the centre, to complex patches of the
    same shape, C = `channels`.
    """

    sees: ClassVar[Sees] = "group"
    fixes_scale: ClassVar[bool] = False

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, amplitude: Tensor, *_: Tensor | None) -> Tensor:
        """Amplitude `(B, S, N, N)` in FFT order to patches of the same shape; S is a multiple of C."""
        channels = self.channels
        clusters, size = amplitude.shape[:2]
        if size % channels:
            raise ValueError(f"{size} patterns of a cluster cannot be cut into groups of {channels}")
        centred = torch.fft.fftshift(amplitude, dim=(-2, -1))
        grouped = centred.reshape(clusters * size // channels, channels, *amplitude.shape[2:])
        patches: Tensor = self.network(grouped)
        return patches.reshape(amplitude.shape)
