"""The mask and the smoothing of a probe before it illuminates the object."""

import torch
from torch import Tensor


def soft_disk(side: int, diameter: float | None, sigma: float) -> Tensor:
    """`G_sigma * [r < d/2]` over its maximum, `(N, N)` float32 in [0, 1].

    side: N in px, pixel centres at `i - N//2 + 1/2`. diameter: d in px, None is N/2. sigma: width in px
    of the separable Gaussian, cut off at `max(1, ceil(3 sigma))` px; 0 leaves a hard edge.
    """
    centre = torch.arange(side, dtype=torch.float64) - side // 2 + 0.5
    radius = torch.hypot(centre[:, None], centre[None, :])
    disk = (radius < (side / 2 if diameter is None else diameter) / 2).double()
    if sigma > 0:
        disk = _blur(disk, sigma)
    return (disk / disk.max()).clamp(0.0, 1.0).float()


def _blur(image: Tensor, sigma: float) -> Tensor:
    reach = max(1, -int(-3 * sigma // 1))
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = kernel / kernel.sum()
    rows = torch.nn.functional.conv2d(image[None, None], kernel[None, None, :, None], padding=(reach, 0))
    return torch.nn.functional.conv2d(rows, kernel[None, None, None, :], padding=(0, reach))[0, 0]


def smooth_probe(probe: Tensor, sigma: float) -> Tensor:
    """`G_sigma * P` for every mode of a probe `(P, N, N)` complex; sigma: width of the Gaussian in px."""
    parts = [torch.complex(_blur(mode.real, sigma), _blur(mode.imag, sigma)) for mode in probe]
    return torch.stack(parts)
