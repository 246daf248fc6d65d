"""Several reconstructions against one reference, on the pixels that all of them saw."""

from collections.abc import Sequence
from itertools import pairwise

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.evaluation.compare import Comparison, compare, origins, refuse_pixels, refuse_small
from ptycho_torch.evaluation.read import PlacedObject

_ILLUMINATED = 0.05
Mask = NDArray[np.bool_]


def compare_several(objects: Sequence[PlacedObject], reference: PlacedObject) -> tuple[Comparison, ...]:
    """Each of the objects with the reference, all on one rectangle: that where each of them has a value and where every
    illumination that is known, that of the reference included, is over 5 % of its largest.

    An object without an origin is taken to lie with its centre on that of the reference. Raises DataError as `compare`.
    """
    for one in objects:
        refuse_pixels(one, reference)
    offsets = [offset_of(one, reference) for one in objects]
    seen = _illumination_mask(reference)
    for one, offset in zip(objects, offsets, strict=True):
        seen &= _place_mask(_illumination_mask(one), offset, seen.shape)
    names = tuple(one.name for one in (*objects, reference))
    refuse_small((0, 0) if not seen.any() else seen.shape, names)
    rows, columns = inner_rectangle(seen)
    refuse_small((rows.stop - rows.start, columns.stop - columns.start), names)
    truth = _crop(reference, rows, columns, (0, 0))
    cropped = (_crop(one, rows, columns, offset) for one, offset in zip(objects, offsets, strict=True))
    return tuple(compare(one, truth) for one in cropped)


def offset_of(image: PlacedObject, reference: PlacedObject) -> tuple[int, int]:
    """The pixel (y, x) of the reference on which element `[0, 0]` of the image lies."""
    first, second = origins(image, reference)
    if first is None or second is None:
        y, x = (np.array(reference.values.shape) - image.values.shape) // 2
        return int(y), int(x)
    return first[0] - second[0], first[1] - second[1]


def _illumination_mask(placed: PlacedObject) -> Mask:
    if placed.illumination is None:
        return np.ones(placed.values.shape, bool)
    return np.asarray(placed.illumination > _ILLUMINATED * placed.illumination.max())


def _place_mask(mask: Mask, offset: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    """The mask on an array of this shape, its element `[0, 0]` on pixel offset; False elsewhere."""
    made = np.zeros(shape, bool)
    (y, x), (height, width) = offset, mask.shape
    rows = slice(max(y, 0), max(min(y + height, shape[0]), 0))
    columns = slice(max(x, 0), max(min(x + width, shape[1]), 0))
    made[rows, columns] = mask[rows.start - y : rows.stop - y, columns.start - x : columns.stop - x]
    return made


def inner_rectangle(mask: Mask) -> tuple[slice, slice]:
    """Rows and columns of a large rectangle whose pixels are all True: from the box around the mask `(H, W)`, which is
    not empty, the side with the largest share of others is taken off until none is left."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    while not (box := mask[top:bottom, left:right]).all():
        shares = [1 - float(side.mean()) for side in (box[0], box[-1], box[:, 0], box[:, -1])]
        worst = int(np.argmax(shares))
        # A hole inside leaves whole sides; the shorter sides cost least.
        if shares[worst] == 0:
            worst = 0 if box.shape[0] >= box.shape[1] else 2
        top, bottom = top + (worst == 0), bottom - (worst == 1)
        left, right = left + (worst == 2), right - (worst == 3)
    return slice(top, bottom), slice(left, right)


def _crop(placed: PlacedObject, rows: slice, columns: slice, offset: tuple[int, int]) -> PlacedObject:
    """The part of an object on rows and columns of the reference; there all of them have one origin."""
    (y, x) = offset
    inside = slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
    return attrs.evolve(
        placed, values=placed.values[inside], illumination=None, origin_yx=(0, 0), scan_origin_yx=(0, 0)
    )


_COLUMNS = ("contrast", "detail", "MAE |O|", "MAE phase", "SSIM |O|", "SSIM phase", "half period px", "moved y, x px")


def table_of_several(comparisons: Sequence[Comparison]) -> str:
    """One line a comparison, figures in aligned columns: a dash where there is none."""
    lines = [("object", *_COLUMNS), *((made.names[0], *_cells(made)) for made in comparisons)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    height, width = comparisons[0].phases.shape[1:]
    same = all(one.phases.shape == other.phases.shape for one, other in pairwise(comparisons))
    area = f"{height} x {width} px" if same else "areas that differ by their shifts"
    return "\n".join([*text, f"compared with {comparisons[0].names[1]} on {area}"])


def _cells(made: Comparison) -> list[str]:
    found = made.resolution["half_bit"].half_period_px
    numbers = (
        made.contrast,
        made.detail,
        made.amplitude.mae,
        made.phase.mae,
        made.amplitude.ssim,
        made.phase.ssim,
        found,
    )
    return [
        *("-" if one is None else f"{one:.4g}" for one in numbers),
        ", ".join(f"{shift:+.2f}" for shift in made.shift_yx),
    ]
