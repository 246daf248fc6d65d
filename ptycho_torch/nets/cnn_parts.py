"""Blocks of the convolutional network."""

import torch
from torch import Tensor, nn

from ptycho_torch.nets.heads import Activation


class ConvBlock(nn.Sequential):
    """Two 3x3 convolutions, each with optional batch normalisation and a ReLU."""

    def __init__(self, channels: int, out: int, *, batch_norm: bool = False) -> None:
        layers: list[nn.Module] = []
        for size in (channels, out):
            layers.append(nn.Conv2d(size, out, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(out))
            layers.append(nn.ReLU())
        super().__init__(*layers)


class Refinement(nn.Module):
    """`relu(x + conv relu conv relu conv x)` with `hidden` channels inside."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        return torch.relu(x + self.inner(x))


class PatchHead(nn.Module):
    """The last layer: the centre at full detail, the border from a few channels.

    The last `outer` of the channels at `N/2` px are enlarged and draw the border of the patch
    (`border=True`), the others its central half without enlargement.
    """

    def __init__(self, channels: int, outer: int, out: int, *, border: bool, batch_norm: bool) -> None:
        super().__init__()
        self.outer = outer
        self.centre = nn.Conv2d(channels - outer, out, 3, padding=1)
        self.border = (
            nn.Sequential(
                ConvBlock(outer, channels, batch_norm=batch_norm),
                nn.Upsample(scale_factor=2.0),
                nn.Conv2d(channels, out, 3, padding=1),
            )
            if border
            else None
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(out) for _ in range(2 if border else 1))
        if not batch_norm:
            self.norms = nn.ModuleList(nn.Identity() for _ in self.norms)

    def forward(self, x: Tensor, head: Activation, border_head: Activation | None = None) -> Tensor:
        """`(B, C, N/2, N/2)` to `(B, out, N, N)`, activated by head, the border by border_head if that is given.

        The border is zero where nothing draws it.
        """
        half = x.shape[-1]
        centre = head(self.norms[0](self.centre(x[:, : x.shape[1] - self.outer])))
        patch = nn.functional.pad(centre, [half // 2] * 4)
        if self.border is None:
            return patch
        inside = torch.zeros(2 * half, device=x.device, dtype=torch.bool)
        inside[half // 2 : half // 2 + half] = True
        drawn = (border_head or head)(self.norms[1](self.border(x[:, x.shape[1] - self.outer :])))
        return torch.where(inside[:, None] & inside, patch, drawn)
