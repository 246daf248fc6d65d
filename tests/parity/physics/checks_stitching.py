"""Translation, reassembly of groups, and placement on a canvas."""

import re
from itertools import product
from math import ceil, isqrt

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.physics.overlap import Weighting, merge_weights
from ptycho_torch.physics.patches import cut, merge
from ptycho_torch.reconstruction.stitch import Stitcher
from tests.parity.physics.arrays import Vectors, tensor, yx
from tests.parity.physics.formulas.reassembly import (
    Region,
    central_crop,
    even_margin,
    group_corners,
    reassemble_group,
    region_side,
)
from tests.parity.physics.verdict import INTERPOLATED, Array, Finding, Holds, Same, equal
from tests.strategies.patches import place

DIVISOR = 1e-3
THRESHOLD = 1e-6
LIT = 1e-2
ROUNDED_PX = 1e-4


def margin_of(offset_yx: Tensor) -> int:
    """So many px that nothing leaves."""
    return ceil(float(offset_yx.abs().max())) + 1


def shifted(images: Tensor, shift_yx: Tensor) -> Tensor:
    """`out(r) = in(r - s)` in the same frame, images `(..., N, N)`, shifts `(..., 2)`."""
    margin, side = margin_of(shift_yx), images.shape[-1]
    wide = side + 2 * margin
    moved = place(images.unsqueeze(-3), (shift_yx + margin).unsqueeze(-2), wide, wide)
    return moved[..., margin:-margin, margin:-margin]


def region_of(patches: Tensor, weights: Tensor, offset_yx: Tensor, side: int) -> Region:
    """Our region, wide enough for every patch, and of it the `side` px that theirs has."""
    margin = margin_of(offset_yx)
    made = reassemble_group(patches, weights, offset_yx, side + 2 * margin, fill=0.0)
    return Region(*(part[:, margin:-margin, margin:-margin] for part in made))


def extracted_of(region: Tensor, offset_yx: Tensor, side: int) -> Tensor:
    """Patches `(B, C, N, N)` of a region `(B, M, M)`, which is 0 outside."""
    margin = margin_of(offset_yx)
    wide = torch.nn.functional.pad(region, [margin] * 4)
    return cut(wide, group_corners(offset_yx, side, wide.shape[-1]), side)


def weights_of(probe: Tensor, patches: Tensor, weighting: Weighting) -> Tensor:
    """`(B, C, N, N)` for probes `(B | 1, 1, P, N, N)`."""
    return merge_weights(probe, weighting).expand_as(patches)


def threshold_of(weight: Tensor, weighting: Weighting) -> float:
    """Below this weight theirs is empty: relative to the brightest of the batch where the probe weighs."""
    return THRESHOLD * (float(weight.max()) if weighting == "probe" else 1.0)


def without_division_bias(region: Region, weighting: Weighting, divisor: float) -> Tensor:
    """Ours times `w / (w + divisor)`, and 0 where theirs is empty: what theirs has."""
    lit = region.weight > threshold_of(region.weight, weighting)
    return region.object * torch.where(lit, region.weight / (region.weight + divisor), 0.0)


def _certain(patches: Tensor, weights: Tensor, offset_yx: Tensor, side: int, weighting: Weighting) -> Array:
    """Pixels whose being lit does not depend on the rounding of offsets in single precision."""
    states = []
    for step in product((-ROUNDED_PX, ROUNDED_PX), repeat=2):
        weight = region_of(patches, weights, offset_yx + offset_yx.new_tensor(step), side).weight
        states.append(weight > threshold_of(weight, weighting))
    made: Array = (torch.stack(states).all(dim=0) | ~torch.stack(states).any(dim=0)).numpy()
    return made


def _scene(z: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    patches = tensor(z["patches" if "patches" in z else "object"])
    offsets = yx(z["offsets"])
    return patches, offsets, tensor(z["probe"])


def _side(z: Vectors, patches: Tensor) -> int:
    """M: from the region in the file, or from the largest distance of a neighbour."""
    if "max_neighbor_distance" in z:
        return region_side(patches.shape[-1], isqrt(patches.shape[1]), float(z["max_neighbor_distance"]))
    return int(z["region"].shape[-1])


def merged(z: Vectors, key: str) -> Finding:
    """`sum T(O) T(w) / (sum T(w) + eps)` for `merged[_NAME]`, and what is lit for `mask[_NAME]`."""
    kind, _, name = key.partition("_")
    patches, offsets, probe = _scene(z)
    side = _side(z, patches)
    weighting: Weighting = "probe" if name == "probe" else "central_mask"
    weights = weights_of(probe, patches, weighting)
    region = region_of(patches, weights, offsets, side)
    certain = _certain(patches, weights, offsets, side, weighting)
    named_otherwise = ("uniform_is_everywhere",) if name == "uniform" else ()
    if kind == "mask":
        parts = [Same(region.weight > threshold_of(region.weight, weighting), z[key], where=certain)]
        return Finding(rules=named_otherwise, explained=parts) if named_otherwise else Finding(parts)
    # Where hardly any weight falls, a divisor that is not 0 makes the rounding of offsets count.
    certain &= weighting == "probe" or ((region.weight == 0) | (region.weight > LIT)).numpy()
    parts = [Same(without_division_bias(region, weighting, 0.0), z[key], INTERPOLATED, certain)]
    if named_otherwise:
        return Finding(rules=named_otherwise, explained=parts)
    biased = without_division_bias(region, weighting, DIVISOR)
    explained = [Same(biased, z[key], INTERPOLATED, certain)] if name != "probe" else []
    return Finding(parts, ("no_bias_in_denominators",) if explained else (), explained)


def merged_crop(z: Vectors, key: str) -> Finding:
    """Central crops of uniform weight, where enough weight fell, and the lit pixels."""
    patches, offsets, _ = _scene(z)
    crop = central_crop(patches, int(z["crop_size"]))
    recentred = offsets - offsets.mean(dim=(0, 1))
    side = crop.shape[-1] + 2 * even_margin(float(recentred.abs().max()))
    if key == "M_crop":
        return equal(side, z[key])
    ones = torch.ones_like(crop.real)
    weight = place(ones, group_corners(recentred, crop.shape[-1], side), side, side)
    if key == "mask_crop":
        return equal(weight > THRESHOLD, z[key], where=_certain(crop, ones, recentred, side, "uniform"))
    made = merge(crop, ones, group_corners(recentred, crop.shape[-1], side), side, side)
    return equal(made, z[key], INTERPOLATED, (weight > LIT).numpy())


def side_of_region(z: Vectors, key: str) -> Finding:
    """`N + (g - 1) e`."""
    return equal(_side(z, tensor(z["patches"])), z[key])


def padded_sides(z: Vectors, key: str) -> Finding:
    """Side and gridsizes are in the name: `padded_N64_g123`."""
    found = re.fullmatch(r"padded_N(\d+)_g(\d+)", key)
    assert found is not None
    sides = [[region_side(int(found[1]), int(g), float(d)) for g in found[2]] for d in z["mnd"]]
    return equal(sides, z[key])


def translated(z: Vectors, key: str) -> Finding:
    """`out(r) = in(r - d)`, of patches or of an image; `_real` of the real part."""
    if "img" not in z:
        moved = shifted(tensor(z["patches"]), yx(z["offsets"])).flatten(0, 1)[:, None]
    else:
        moved = shifted(tensor(z["img"]), yx(z["off"]))
    return equal(moved.real if key.endswith("_real") else moved, z[key], INTERPOLATED)


def extracted(z: Vectors, key: str) -> Finding:
    """The region moved by `+d`, centre crop."""
    region = tensor(z["region"])[:, 0] if "region" in z else tensor(z["merged"])
    return equal(extracted_of(region, yx(z["offsets"]), z[key].shape[-1]), z[key], INTERPOLATED)


def _corners(z: Vectors, key: str) -> Tensor:
    return tensor(z[key]).flip(-1) - z["patches"].shape[-1] / 2


def _fits(z: Vectors, corner_yx: Tensor) -> tuple[Array, Array]:
    """`(ours, theirs)`: the patches that lie on the canvas; theirs leaves the last row and column."""
    height, width = (int(extent) for extent in z["canvas_shape"])
    patch, ours = torch.ones(1, *z["patches"].shape[1:], dtype=torch.float64), []
    for corner in corner_yx:
        try:
            place(patch, corner[None], height, width)
            ours.append(True)
        except ValueError:
            ours.append(False)
    low = torch.floor(corner_yx).numpy()
    theirs = (low >= 0).all(axis=1) & (low + z["patches"].shape[-1] + 1 < [height, width]).all(axis=1)
    return np.array(ours), theirs


def canvases(z: Vectors, key: str) -> Finding:
    """Sums of patches `[x w]` and of weights; nothing is dropped, or ours refuses the whole."""
    outside = key.endswith("_oob") or key.startswith("weighted")
    corner = _corners(z, "positions_oob_xy" if outside else "positions_xy")
    weight = tensor(z["probe_weight"]) if key.startswith("weighted") else torch.ones_like(tensor(z["probe_weight"]))
    values = tensor(z["patches"]) * weight if "canvas" in key else weight.expand(*z["patches"].shape)
    ours, kept = _fits(z, corner)
    height, width = (int(extent) for extent in z["canvas_shape"])
    if ours.all() and kept.all():
        return equal(place(values, corner, height, width), z[key], INTERPOLATED)
    chosen = torch.from_numpy(kept)
    refused = False
    try:
        place(values, corner, height, width)
    except ValueError:
        refused = True
    parts = [
        Holds("ours refuses patches that leave the canvas, and only those", refused != ours.all()),
        Holds("every patch that theirs keeps fits", (ours | ~kept).all()),
        Same(place(values[chosen], corner[chosen], height, width), z[key], INTERPOLATED),
    ]
    return Finding(rules=("patches_are_never_dropped",), explained=parts)


def accepted(z: Vectors, key: str) -> Finding:
    """How many patches are used: all that fit, less those on the last row or column."""
    ours, theirs = _fits(z, _corners(z, "positions_oob_xy"))
    if key == "total":
        return equal(len(ours), z[key])
    if theirs.all():
        return equal(int(ours.sum()), z[key])
    kept = int(ours.sum()) - int((ours & ~theirs).sum())
    return Finding(rules=("patches_are_never_dropped",), explained=[Same(kept, z[key])])


def _tight_canvas(z: Vectors) -> tuple[Stitcher, Tensor]:
    """Our canvas for a scan that reaches `max_offset` on both sides of its centre of mass."""
    side, centre = z["patches"].shape[-1], tensor(z["scan_com_xy"]).flip(-1)
    reach = tensor(z["max_offset_yx"])
    return Stitcher(torch.stack([centre - reach, centre + reach]), side, torch.device("cpu")), centre - reach


def canvas_shape(z: Vectors, key: str) -> Finding:
    """Theirs has `k` px more than ours, less the px that a fractional origin costs ours."""
    stitcher, low = _tight_canvas(z)
    whole = (torch.floor(low) == low).numpy()
    ours = np.array([stitcher.height, stitcher.width]) + z["patches"].shape[-1] - ~whole
    parts = [Same(ours, z[key])]
    return Finding(rules=("canvas_without_a_border",), explained=parts)


def canvas_offset(z: Vectors, key: str) -> Finding:
    """Theirs starts half a patch before ours, and at a fraction of a pixel."""
    stitcher, low = _tight_canvas(z)
    side = z["patches"].shape[-1]
    ours = -stitcher.origin + (side - side // 2) - (low - torch.floor(low))
    return Finding(rules=("canvas_without_a_border",), explained=[Same(ours.flip(-1), z[key])])
