"""An object that follows positions which are corrected together.

Where neighbouring patterns move alike, the object that they measured lies elsewhere: it is moved by their mean step,
`O(r) -> O(r - D(r))` with `D(r) = sum_j w(r - c_j) d_j / sum_j w(r - c_j)`, w the intensity of the probe. Otherwise it
would have to be built anew before the next step could be seen.
"""

import torch
from torch import Tensor

from ptycho_torch.physics.windows import Corners, add

_CHUNK = 256
# The displacement of a pixel with less illumination, relative to the largest, fades out.
_FAINT = 1e-3


def displacement(steps_yx: Tensor, corners: Corners, intensity: Tensor, shape: tuple[int, int]) -> Tensor:
    """D in px, (y, x): `(2, H, W)` float32 on a canvas of that shape.

    steps_yx: d, `(n, 2)` px; corners: of the patches of the patterns; intensity: w, `(N, N)`.
    """
    weight = torch.zeros(shape, device=intensity.device)
    field = torch.zeros(2, *shape, device=intensity.device)
    for rows in torch.arange(len(steps_yx)).split(_CHUNK):
        here = [corners[row] for row in rows.tolist()]
        window = intensity.expand(len(rows), -1, -1)
        add(weight, window, here)
        for axis in (0, 1):
            add(field[axis], window * steps_yx[rows, axis, None, None].to(window), here)
    return field / weight.clamp_min(_FAINT * float(weight.max()))


def move(object_: Tensor, field: Tensor) -> Tensor:
    """`O(r - D(r))` by bicubic interpolation; object_ `(H, W)` complex64, field D `(2, H, W)` px."""
    height, width = object_.shape
    y = torch.arange(height, device=field.device)[:, None] - field[0]
    x = torch.arange(width, device=field.device) - field[1]
    place = torch.stack([2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1], dim=-1)[None]
    parts = torch.view_as_real(object_).permute(2, 0, 1)[None]
    moved = torch.nn.functional.grid_sample(parts, place, mode="bicubic", padding_mode="border", align_corners=True)
    result: Tensor = torch.view_as_complex(moved[0].permute(1, 2, 0).contiguous())
    return result
