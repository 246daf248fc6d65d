"""Pixels that do not measure: fill values, dead, hot, clipped and wrapped ones, found from the patterns alone."""

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ptycho_torch.verdict import Evidence, enumeration

Real = NDArray[np.floating]
Mask = NDArray[np.bool_]

# A pixel is constant by chance in so few patterns.
MIN_FRAMES = 16
# Photons that must be missing: none of 50 are counted with a probability of e^-50.
MISSING_PHOTONS = 50.0
EXCESS = 10.0
FILL = "fill value"
OFFSET_PHOTONS = 10.0
# As many of the 24 neighbours may be faulty too.
FAULTY_NEIGHBOURS = 3
LEAST_CLIPPED = 10
FEW = 0.03
MANY_PHOTONS = 200
COUNTER_BITS = (8, 10, 12, 14, 15, 16, 20, 24, 31, 32)
# A hole has less than this share of its neighbours; by chance no pattern has one where they are bright.
HOLE, LEAST_HOLES = 0.2, 5


@attrs.frozen(eq=False)
class PixelFaults:
    """Masks `(N, N)` bool of pixels that do not measure; fill_value: of the pixels that hold the same in all patterns;
    limit: the value at which others are clipped, or one more than which the counter starts again at 0."""

    fill: Mask
    dead: Mask
    hot: Mask
    clipped: Mask
    wrapped: Mask
    fill_value: float = 0.0
    limit: float = 0.0

    @property
    def any(self) -> Mask:
        """All of them."""
        return self.fill | self.dead | self.hot | self.clipped | self.wrapped


def photon_unit(sample: Real) -> tuple[float, bool]:
    """The intensity of a photon in patterns `(n, N, N)`, and whether all of them are whole numbers: the smallest value
    above 0 of a pattern, in the middle of all of them, as a detector may have a gain, and patterns be scaled."""
    positive = np.where(np.isfinite(sample) & (sample > 0), sample, np.inf)
    smallest = positive.reshape(len(positive), -1).min(axis=1, initial=np.inf)
    smallest = smallest[np.isfinite(smallest)]
    counted = positive[np.isfinite(positive)]
    whole = bool((counted == np.round(counted)).all())
    return (float(np.median(smallest)) if smallest.size else 1.0), whole


def pixel_faults(sample: Real, flat: Real, valid: Mask | None = None) -> PixelFaults:
    """The pixels that do not measure.

    sample `(n, N, N)`: patterns as they are stored, in any unit. flat `(N, N)`: the pattern of the probe alone, in any
    unit, which tells a narrow beam from a hot pixel, and its dark middle from a dead one. valid `(N, N)`: pixels that
    are not masked already; the others are not judged.
    """
    known = np.ones(sample.shape[1:], np.bool_) if valid is None else valid
    none = np.zeros_like(known)
    if len(sample) < MIN_FRAMES:
        return PixelFaults(none, none, none, none, none)
    first = sample[0]
    constant = ((sample == first) | (np.isnan(sample) & np.isnan(first))).all(axis=0) & (first != 0) & known
    # Patterns that are all the same are another fault, and pixels that are always full are clipped.
    largest = np.nanmax(np.where(constant | ~known, -np.inf, sample))
    # Where other pixels are negative too, as after the subtraction of a dark, a negative value is no mark.
    if bool((sample[:, known & ~constant] < 0).any()):
        constant &= ~(first < 0)
    fill = constant & (first != largest) if constant.sum() <= 0.5 * known.sum() else none
    usable = known & ~fill
    counted = np.where(usable & np.isfinite(sample), sample, 0).clip(min=0)
    photon, whole = photon_unit(counted)
    total = counted.sum(axis=0, dtype=np.float64) / photon
    dead = usable & (total == 0) & _dead(total, usable, flat)
    # A spike in a few patterns is a fault of these.
    few = max(1, round(FEW * len(counted)))
    highest = np.partition(counted, len(counted) - few, axis=0)[-few:].sum(axis=0, dtype=np.float64)
    hot = usable & _isolation(nearest_fill(total - highest / photon, usable & ~dead), flat)
    rest = np.where(hot, 0, counted)
    limit, clipped = _clipping(rest, photon, whole=whole)
    wrapped = none if clipped.any() or not whole else _overflow(rest, usable & ~hot, photon)
    values = first[fill]
    return PixelFaults(
        fill=fill,
        dead=dead,
        hot=hot,
        clipped=clipped,
        wrapped=wrapped,
        fill_value=float(values[0]) if values.size else 0.0,
        limit=limit if clipped.any() else float(rest.max()),
    )


def _dead(total: Real, usable: Mask, flat: Real) -> Mask:
    """Pixels without a photon between others that have many, also where gaps between modules cross."""
    alone = _dark_between_bright(total, usable, flat)
    return alone | _dark_between_bright(nearest_fill(total, ~alone), usable, flat)


def _dark_between_bright(total: Real, usable: Mask, flat: Real) -> Mask:
    """Pixels without a photon between others that have many, unless the probe explains it."""
    bright = np.where(usable, total, 0)
    sides = [np.minimum(_nearest(bright, axis), _nearest(np.flip(bright, axis), axis, flipped=True)) for axis in (0, 1)]
    missing = np.maximum(*sides) > MISSING_PHOTONS
    labels, count = ndimage.label((total == 0) & usable & missing, np.ones((3, 3)))
    found = np.zeros_like(usable)
    for one in range(1, count + 1):
        inside = labels == one
        border = ndimage.binary_dilation(inside, np.ones((3, 3))) & ~inside
        if np.median(flat[inside]) >= 1e-2 * np.median(flat[border]):
            found |= inside
    return found


def _nearest(values: Real, axis: int, *, flipped: bool = False) -> Real:
    """The last value above 0 before each pixel along an axis, 0 where the nearest is over a quarter away."""
    moved = np.moveaxis(values, axis, 0)
    index = np.arange(len(moved))[:, None]
    last = np.maximum.accumulate(np.where(moved > 0, index, -1), axis=0)
    found = np.take_along_axis(moved, np.maximum(last, 0), axis=0)
    found = np.where((last >= 0) & (index - last <= len(moved) // 4), found, 0)
    back = np.moveaxis(found, 0, axis)
    return np.flip(back, axis) if flipped else back


def nearest_fill(image: Real, usable: Mask) -> Real:
    """An image `(N, N)` with the value of the nearest usable pixel in the place of the others."""
    place = ndimage.distance_transform_edt(~usable, return_distances=False, return_indices=True)
    filled: Real = image[tuple(place)]
    return filled


def neighbour_level(image: Real) -> Real:
    """The largest of the 24 neighbours of each pixel of an image `(N, N)` but for three, which may be faulty too."""
    ring = np.ones((5, 5), np.bool_)
    ring[2, 2] = False
    level: Real = ndimage.rank_filter(image, rank=-1 - FAULTY_NEIGHBOURS, footprint=ring, mode="nearest")
    return level


def _isolation(total: Real, flat: Real) -> Mask:
    """Pixels far above their neighbours where the pattern of the probe has no such peak."""
    above = total + OFFSET_PHOTONS > EXCESS * (neighbour_level(total) + OFFSET_PHOTONS)
    peak = flat > EXCESS / 3 * (neighbour_level(flat) + 1e-6 * flat.max())
    return np.asarray(above & ~peak, np.bool_)


def _clipping(counted: Real, photon: float, *, whole: bool) -> tuple[float, Mask]:
    """The largest value and the pixels that are clipped at it: far more have it than come near it."""
    limit = float(counted.max())
    top = counted == limit
    number = int(top.sum())
    width = max(1.0, np.floor(np.sqrt(limit))) * photon if whole else 0.05 * limit
    near = int(((counted >= limit - width) & ~top).sum())
    usual = 4 * max(near / (width / photon), 1.0) if whole else near
    found = limit > photon and number >= LEAST_CLIPPED and number > usual
    return limit, top.any(axis=0) if found else np.zeros(counted.shape[1:], np.bool_)


def _overflow(counted: Real, usable: Mask, photon: float) -> Mask:
    """Pixels whose counter starts again at 0: holes between neighbours that nearly fill it, where a pattern of an
    oversampled object is smooth."""
    largest = float(counted.max())
    full = next((2.0**bits for bits in COUNTER_BITS if 0.8 * 2**bits <= largest < 2**bits), None)
    none = np.zeros_like(usable)
    # With few photons neighbours differ as much by chance.
    if full is None or full < MANY_PHOTONS * photon:
        return none
    sides = [np.roll(counted, step, axis) for axis in (1, 2) for step in (1, -1)]
    # Three of the four neighbours have more: the edge of a bright disk is no hole.
    around = np.partition(np.stack(sides), 1, axis=0)[1]
    hole = (around > 0.5 * full) & (counted < HOLE * around) & usable
    peak = counted.max(axis=0)
    # A pixel that never counts much is another fault.
    hole &= peak > 0.5 * full
    if hole.sum() < LEAST_HOLES:
        return none
    near = ndimage.binary_dilation(hole.any(axis=0), np.ones((3, 3))) | (peak > 0.9 * full)
    return np.asarray(near & usable, np.bool_)


def pixel_evidence(faults: PixelFaults, *, masked: bool) -> Iterator[Evidence]:
    """The evidence of faults; masked: their pixels are left out already."""
    value, limit = faults.fill_value, faults.limit
    kinds = {
        FILL: (faults.fill, f"hold {value:.10g} in every pattern, which is no measurement"),
        "dead pixels": (faults.dead, "are 0 in every pattern, between others that have many counts"),
        "hot pixels": (faults.hot, "have over ten times the counts of those around them"),
        "clipped pixels": (faults.clipped, f"are clipped at {limit:.10g}"),
        "wrapped counter": (faults.wrapped, f"start again at 0 above {limit:.10g}: the counter is too short"),
    }
    for name, (mask, text) in kinds.items():
        if not mask.any():
            continue
        count = int(mask.sum())
        where = enumeration(f"[{y}, {x}]" for y, x in np.argwhere(mask).tolist())
        yield Evidence(
            name=name,
            level="sound" if masked else "doubtful" if name == "clipped pixels" else "wrong",
            value=count,
            text=f"{count} pixels {text}: {where}" + (", left out" if masked else ""),
            remedy="" if masked else "--mask auto, torch.data.mask=auto, leaves them out",
        )
