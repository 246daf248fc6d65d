"""Refinement of an object from patterns that hardly overlap: what is known of objects, through levels of photons.

Without neighbours that see the same pixels, passes end in an object that explains each pattern by itself and is wrong.
Steps with a denoiser lead further, if they begin as if photons were few (`reconstruction.denoised_ascent`).
"""

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.output.choice_records import SparseRecord
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.spacing import linear_overlap
from ptycho_torch.reconstruction.denoised_ascent import (
    LEVEL_PASSES,
    DenoisedAscent,
    Progress,
    photon_levels,
    photons_per_pixel,
)
from ptycho_torch.reconstruction.few_photons import MIDDLE, STRENGTHS
from ptycho_torch.reconstruction.refine_batches import frame_masks
from ptycho_torch.reconstruction.trial import held_back_misfit
from ptycho_torch.records import Refined, Scan


def overlap_of(scan: Scan) -> float:
    """The linear overlap of neighbouring patterns of `scan`."""
    return linear_overlap(scan.position_yx.numpy().astype(np.float64), mode_sum_intensity(scan.probe).numpy())


def most_sparse_passes(scan: Scan) -> int:
    """The number of passes of a refinement of the sparse `scan`, with its judgement, at most."""
    levels = len(photon_levels(photons_per_pixel(scan)))
    return (LEVEL_PASSES + 1) * levels + LEVEL_PASSES


def refine_sparse(
    found: Refined, *, seed: int, device: torch.device, progress: Progress = lambda _: None
) -> tuple[Refined, SparseRecord]:
    """The object from the smooth part of that which passes found, through levels of photons, and the choice: it is
    taken where it explains held-back pixels, which it has not seen, better than the passes, which have seen them.

    seed: of the pixels that are held back; device computes; progress is called with the number of patterns of each
    finished batch, at most `most_sparse_passes` times all. All but the object stays as it is. Raises ValueError where a
    patch leaves the object.
    """
    strength = STRENGTHS[MIDDLE]
    with torch.inference_mode():
        work = DenoisedAscent(found, seed, device, progress)
        climbed = work.run(LEVEL_PASSES, strength, after=work.climb(strength), hold_back=True, settle=True)
        objects = found.object, climbed.object.cpu()
        passes, levels = (_misfit(attrs.evolve(found, object=one), work.held_back) for one in objects)
        record = SparseRecord(
            overlap=round(overlap_of(found.scan), 3),
            kept=levels < passes,
            misfit=round(levels, 9),
            misfit_passes=round(passes, 9),
        )
        if not record.kept:
            return found, record
        last = work.run(LEVEL_PASSES, strength, after=climbed, hold_back=False, settle=True)
    return attrs.evolve(found, object=last.object.cpu().clone(), history=found.history + last.history), record


def _misfit(found: Refined, held_back: Tensor) -> float:
    """R at the pixels `(N, N)` that are held back, in each pattern at other places."""
    valid = found.scan.valid_pixels

    def judged(rows: Tensor) -> Tensor:
        masks = frame_masks(held_back, rows)
        return masks if valid is None else masks & valid

    return held_back_misfit(found, judged)
