"""Short reconstructions of a part of a scan under other hypotheses on its positions, judged by pixels held back."""

from typing import NamedTuple

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.diffraction import (
    diffraction_intensity,
    exit_waves,
    far_field,
    mode_sum_intensity,
    over_modes,
    shift_probe,
)
from ptycho_torch.physics.exit_wave_update import exit_wave_change, photon_intensity
from ptycho_torch.physics.windows import add, read
from ptycho_torch.records import Dataset

PATTERNS, SIDE, BATCH, PASSES = 160, 64, 40, 2
HELD_BACK = 0.1
CANDIDATES = 16
MODES, LEAST_SHARE = 3, 0.05

# The eight ways in which an instrument may turn and mirror positions (y, x); the first leaves them as they are.
ORIENTATIONS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "as recorded": ((1, 0), (0, 1)),
    "x negated": ((1, 0), (0, -1)),
    "y negated": ((-1, 0), (0, 1)),
    "x and y negated": ((-1, 0), (0, -1)),
    "x and y exchanged": ((0, 1), (1, 0)),
    "x and y exchanged, then x negated": ((0, 1), (-1, 0)),
    "x and y exchanged, then y negated": ((0, -1), (1, 0)),
    "x and y exchanged, then both negated": ((0, -1), (-1, 0)),
}


def turn(position_yx: NDArray[np.float64], orientation: str) -> NDArray[np.float64]:
    """Positions position_yx `(n, 2)` px in another orientation, with the smallest of each axis where it was."""
    turned: NDArray[np.float64] = position_yx @ np.array(ORIENTATIONS[orientation], np.float64).T
    turned += position_yx.min(axis=0) - turned.min(axis=0)
    return turned


@attrs.frozen(eq=False)
class Part:
    """Neighbouring patterns of a scan at 64 px at most: rows of the scan, amplitude `(K, N, N)` in FFT order with mean
    power N^2, the intensity of a photon in its unit, probe `(P, N, N)` that gives such patterns, valid and held
    `(N, N)` bool in FFT order, the pixels that measure and those of them that no update sees, and the side of a pixel
    in pixels of the scan."""

    rows: NDArray[np.int64]
    amplitude: Tensor
    photon: float
    probe: Tensor
    valid: Tensor
    held: Tensor
    pixel: float


def choose_part(dataset: Dataset, rng: np.random.Generator) -> Part:
    """Up to 160 patterns around the place where they differ most, cut to their middle 64 px.

    dataset: the scan; rng: draws the places that are compared, and the pixels that are held back.
    """
    return cut_part(dataset, _block(dataset, rng), rng)


def cut_part(dataset: Dataset, rows: NDArray[np.int64], rng: np.random.Generator) -> Part:
    """Some patterns of a scan, cut to their middle 64 px.

    dataset: the scan; rows: their sorted numbers; rng: draws the pixels that are held back.
    """
    side = dataset.probe.shape[-1]
    small = min(side, SIDE - side % 2)
    start = side // 2 - small // 2
    window = slice(start, start + small)
    intensity = np.fft.ifftshift(dataset.intensity[rows][:, window, window], axes=(1, 2))
    mask = np.ones((side, side), np.bool_) if dataset.valid_pixels is None else dataset.valid_pixels
    valid = torch.from_numpy(np.fft.ifftshift(mask[window, window]))
    spectrum = np.fft.fftshift(np.fft.fft2(_strongest_modes(dataset.probe)), axes=(1, 2))[:, window, window]
    # The middle of a patch stays where it is: the phase of an even side is that of its pixel N/2.
    probe = torch.from_numpy(np.fft.ifft2(np.fft.ifftshift(spectrum, axes=(1, 2))).astype(np.complex64))
    amplitude = torch.from_numpy(intensity).clamp(min=0).sqrt() * valid
    amplitude *= small / amplitude.square().sum((1, 2)).mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    flat = mode_sum_intensity(far_field(probe)) * valid
    probe = probe * (small / flat.sum().sqrt().clamp(min=torch.finfo(torch.float32).tiny))
    held = torch.from_numpy(rng.random((small, small)) < HELD_BACK) & valid
    return Part(rows, amplitude, photon_intensity(amplitude), probe, valid, held, side / small)


def _strongest_modes(probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """At most three modes of `(P, N, N)`, each of a considerable share of the power."""
    power = np.square(np.abs(probe)).sum(axis=(1, 2), dtype=np.float64)
    order = np.argsort(-power)[:MODES]
    chosen: NDArray[np.complex64] = probe[order[power[order] >= LEAST_SHARE * power.sum()]]
    return chosen


def _block(dataset: Dataset, rng: np.random.Generator) -> NDArray[np.int64]:
    """Sorted rows of the patterns around one position, of several drawn by rng the one where patterns differ most."""
    count = len(dataset.position_yx)
    if count <= PATTERNS:
        return np.arange(count)
    places = dataset.position_yx[rng.choice(count, CANDIDATES, replace=False)]
    _, blocks = cKDTree(dataset.position_yx).query(places, k=PATTERNS, p=np.inf)
    return np.sort(blocks[int(np.argmax([_difference(dataset, block) for block in blocks]))])


def _difference(dataset: Dataset, block: NDArray[np.int64]) -> float:
    """The part of the intensity of some patterns of a block that differs from their mean."""
    some = np.sort(block)[:: len(block) // 16]
    amplitude = np.sqrt(dataset.intensity[some].clip(min=0))
    mean = amplitude.mean(axis=0)
    return float(np.square(amplitude - mean).sum() / max(float(np.square(amplitude).sum()), 1e-30))


class Placed(NamedTuple):
    """An object `(H, W)` and the corners in it and the probes `(K, P, N, N)` of the patterns of a part."""

    object: Tensor
    corners: list[list[int]]
    probes: Tensor


def reconstruct_part(
    part: Part, position_yx: NDArray[np.float64], members: NDArray[np.int64], passes: int = PASSES, batch: int = BATCH
) -> Placed:
    """A short reconstruction of a part from a flat object.

    part: the patterns; position_yx `(K, 2)`: their positions in pixels of the scan; members: those that are used;
    passes: over these; batch: the number of them that are updated together.
    """
    side = part.probe.shape[-1]
    place = torch.from_numpy(position_yx / part.pixel)
    centre = torch.round(place)
    probes = shift_probe(part.probe, (place - centre).float())
    origin, height, width = canvas_of(centre, side)
    corners = patch_corners(centre, side, origin).long().tolist()
    object_ = torch.ones(height, width, dtype=torch.complex64)
    seen = part.valid & ~part.held
    strongest = float(mode_sum_intensity(part.probe).max())
    order = torch.from_numpy(members[np.random.default_rng(0).permutation(len(members))])
    for _ in range(passes):
        for rows in order.split(batch):
            own = [corners[row] for row in rows.tolist()]
            patches, illumination = read(object_, own, side), torch.zeros(height, width)
            waves = exit_waves(patches, probes[rows])
            change = exit_wave_change(waves, part.amplitude[rows], part.photon, seen).change
            add(illumination, mode_sum_intensity(probes[rows]), own)
            step = torch.zeros_like(object_)
            add(step, over_modes(change * probes[rows].conj()), own)
            object_ += step / illumination.clamp_min(0.3 * strongest)
    return Placed(object_, corners, probes)


def held_back_misfit(part: Part, position_yx: NDArray[np.float64], passes: int = PASSES, batch: int = BATCH) -> Tensor:
    """`sum (sqrt I - sqrt M)^2` over the held-back pixels of each pattern, `(K,)`, after a short reconstruction.

    part, position_yx, passes, batch: as for `reconstruct_part`.
    """
    found = reconstruct_part(part, position_yx, np.arange(len(position_yx)), passes, batch)
    misfit = torch.empty(len(found.corners), dtype=torch.float64)
    for rows in torch.arange(len(found.corners)).split(BATCH):
        patches = read(found.object, [found.corners[row] for row in rows.tolist()], part.probe.shape[-1])
        modelled = diffraction_intensity(patches, found.probes[rows]).sqrt()
        misfit[rows] = ((part.amplitude[rows] - modelled).square() * part.held).sum((1, 2), dtype=torch.float64)
    return misfit


def flat_misfit(part: Part) -> Tensor:
    """The same of a flat object, which every pattern shows with its own total: `(K,)` float64."""
    flat = mode_sum_intensity(far_field(part.probe)).sqrt()
    seen = part.valid & ~part.held
    level = (part.amplitude.square() * seen).sum((1, 2)) / (flat.square() * seen).sum()
    modelled = flat * level.sqrt()[:, None, None]
    return ((part.amplitude - modelled).square() * part.held).sum((1, 2), dtype=torch.float64)


def mean_misfit(part: Part) -> Tensor:
    """The same of the mean pattern of the part: `(K,)` float64."""
    different = part.amplitude - part.amplitude.mean(dim=0)
    return (different.square() * part.held).sum((1, 2), dtype=torch.float64)
