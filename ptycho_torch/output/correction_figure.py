"""The figure of the corrections of positions: an arrow for each."""

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.output.object_pictures import illuminated_box, object_pictures
from ptycho_torch.output.report_figures import Figure, picture_figure
from ptycho_torch.records import Canvas, Dataset

# More arrows than a picture has room for.
_MOST = 1000
# Long arrows are about so many times as long as the distance of neighbouring positions.
_LENGTH = 1.5
_FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
# In distances of neighbours, and of the light line below that lets an arrow stand out from the object.
_WIDTH, _HALO = 0.07, 2.2
_HEAD, _TURN = 0.3, np.deg2rad(155)


def correction_figure(canvas: Canvas, dataset: Dataset, recorded_yx: NDArray[np.float64], window: int) -> Figure:
    """Arrows from recorded_yx `(n, 2)` in px to the positions of a dataset, over the phase of its canvas less
    `window` px at each border. A translation of all, which no pattern shows, is left out."""
    moved = dataset.position_yx - recorded_yx
    moved -= moved.mean(axis=0)
    length = np.hypot(*moved.T)
    rows = np.unique(np.linspace(0, len(moved) - 1, min(len(moved), _MOST)).astype(np.int64))
    spacing = float(np.sqrt(np.ptp(recorded_yx, axis=0).clip(1.0).prod() / len(rows)))
    room = _LENGTH * spacing / max(float(np.percentile(length, 95)), 1e-9)
    factor = max((one for one in _FACTORS if one <= room), default=1)
    picture, box = object_pictures(canvas, window)["Phase"], illuminated_box(canvas, window)
    start = (recorded_yx[rows] - canvas.origin_yx - [box[0].start, box[1].start]) / picture.reduction + 0.5
    drawing = _arrows(
        start, factor * moved[rows] / picture.reduction, picture.values.shape, _WIDTH * spacing / picture.reduction
    )
    scale = "" if factor == 1 else f", {factor} times as long as they are"
    caption = (
        f"from the recorded to the corrected positions{scale}: rms {np.sqrt(np.square(length).mean()):.2g} px, "
        f"largest {length.max():.2g} px"
    )
    pixel_m = None if dataset.pixel_m is None else dataset.pixel_m[1]
    return picture_figure("Position corrections", picture, caption, pixel_m=pixel_m, drawing=drawing)


def _arrows(start: NDArray[np.float64], along: NDArray[np.float64], shape: tuple[int, ...], width: float) -> str:
    """Arrows as SVG, from start `(n, 2)` along `(n, 2)` (y, x), with lines of a width, px of an image of this shape."""
    tip, (rows, columns) = start + along, shape
    turn = np.array([[np.cos(_TURN), -np.sin(_TURN)], [np.sin(_TURN), np.cos(_TURN)]])
    one, other = tip + _HEAD * along @ turn, tip + _HEAD * along @ turn.T
    path = "".join(
        f"M{x:.2f} {y:.2f}L{u:.2f} {v:.2f}M{b:.2f} {a:.2f}L{u:.2f} {v:.2f}L{d:.2f} {c:.2f}"
        for y, x, v, u, a, b, c, d in np.concatenate([start, tip, one, other], axis=1).tolist()
    )
    return (
        f'<svg class="over" viewBox="0 0 {columns} {rows}" preserveAspectRatio="none" xmlns="http://www.w3.org/2000/svg">'
        f'<g fill="none" stroke-linejoin="round" stroke-linecap="round">'
        f'<path d="{path}" stroke="#fff" stroke-width="{_HALO * width:.2f}"/>'
        f'<path d="{path}" stroke="#ff5a36" stroke-width="{width:.2f}"/></g></svg>'
    )
