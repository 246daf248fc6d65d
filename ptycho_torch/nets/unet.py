"""A small real-space U-Net with skip connections and a pixel-unshuffle stem."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional


def _relu(x: Tensor) -> Tensor:
    """`relu(x)` in place: nothing else reads what a convolution gave."""
    return functional.relu(x, inplace=True)


class ConvPair(nn.Module):
    """`x -> relu(conv3(relu(conv3(x))))`, plus `x` when the widths agree."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.residual = inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """`(B, inputs, H, W) -> (B, outputs, H, W)`."""
        y = _relu(self.second(_relu(self.first(x))))
        return x + y if self.residual else y


class UNet(nn.Module):
    """`(B, inputs, H, W) -> (B, outputs, H, W)`, of any height and width.

    Inside, both are `multiple = 2 ** (levels + 1)` px times a whole number: zeros are added at the bottom
    and on the right, and cut off again. The last layer starts at zero, so the network starts as the zero map.
    """

    def __init__(self, inputs: int, outputs: int, width: int, levels: int) -> None:
        super().__init__()
        self.multiple: int = 2 ** (levels + 1)
        widths = [width * 2**level if level < 2 else width * 3 for level in range(levels + 1)]
        self.stem = nn.Conv2d(4 * inputs, width, 3, padding=1)
        self.down = nn.ModuleList(ConvPair(w, w) for w in widths[:-1])
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.bottom = ConvPair(widths[-1], widths[-1])
        self.grow = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.up = nn.ModuleList(ConvPair(w, w) for w in widths[:-1])
        self.head = nn.Conv2d(width, 4 * outputs, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(B, inputs, H, W) -> (B, outputs, H, W)`."""
        height, width = x.shape[-2:]
        x = functional.pad(x, (0, -width % self.multiple, 0, -height % self.multiple))
        x = _relu(self.stem(functional.pixel_unshuffle(x, 2)))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            x = block(x)
            skips.append(x)
            x = shrink(x)
        x = self.bottom(x)
        for block, grow, skip in zip(reversed(self.up), reversed(self.grow), reversed(skips), strict=True):
            x = block(functional.interpolate(grow(x), scale_factor=2.0) + skip)
        return functional.pixel_shuffle(self.head(x), 2)[..., :height, :width]
