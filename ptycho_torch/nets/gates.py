"""Attention gates: small networks that say how much each channel or pixel counts."""

import torch
from torch import Tensor, nn

CBAM_REDUCTION = 16
CBAM_KERNEL = 7
ECA_KERNEL = 3


class ChannelGate(nn.Module):
    """`x * sigmoid(MLP(mean x) + MLP(max x))` over channels, one MLP for both (Woo et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // CBAM_REDUCTION)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        weight = self.mlp(x.mean(dim=(-2, -1))) + self.mlp(x.amax(dim=(-2, -1)))
        return x * torch.sigmoid(weight)[..., None, None]


class SpatialGate(nn.Module):
    """`x * sigmoid(conv([max_c x, mean_c x]))`, one weight for each pixel (Woo et al. 2018)."""

    def __init__(self, kernel: int = CBAM_KERNEL) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        pooled = torch.cat([x.amax(dim=1, keepdim=True), x.mean(dim=1, keepdim=True)], dim=1)
        return x * torch.sigmoid(self.conv(pooled))


class Cbam(nn.Sequential):
    """Channel gate, then spatial gate (convolutional block attention module, Woo et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__(ChannelGate(channels), SpatialGate())


class Eca(nn.Module):
    """`x * sigmoid(conv1d(mean x))` along channels (efficient channel attention, Wang et al. 2020)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, ECA_KERNEL, padding=ECA_KERNEL // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, C, H, W)` to the same."""
        weight = self.conv(x.mean(dim=(-2, -1))[:, None])[:, 0]
        return x * torch.sigmoid(weight)[..., None, None]
