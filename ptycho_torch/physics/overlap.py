"""Overlapping patches: patterns predicted from each other, and one object of a group."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import diffraction_intensity, mode_sum_intensity
from ptycho_torch.physics.patches import cut, merge, translate


class CrossPatterns(NamedTuple):
    """Patterns predicted from a neighbour's patch: intensity `(B * pairs, N, N)` and `target`,
    the index `(pairs,)` within the cluster of the pattern that each predicts."""

    intensity: Tensor
    target: Tensor


def cross_patterns(patches: Tensor, probes: Tensor, centre_yx: Tensor) -> CrossPatterns:
    """`I_ij = sum_p |F(P_jp O_ij)|^2` for every ordered pair i != j of a cluster.

    `O_ij(r) = O_i(r + c_j - c_i)` where patch i covers the frame of pattern j, and `O_j(r)`
    elsewhere: the pattern of j as patch i explains it. Both patches get its gradient.
    patches `(B, S, N, N)`, probes `(B, S, P, N, N)`, centre_yx `(B, S, 2)` int64 in px.
    """
    size = patches.shape[1]
    source, target = torch.nonzero(~torch.eye(size, dtype=torch.bool, device=patches.device), as_tuple=True)
    shift = (centre_yx[:, source] - centre_yx[:, target]).flatten(0, 1)
    own = patches[:, target].flatten(0, 1)
    moved, covered = translate(patches[:, source].flatten(0, 1), shift)
    swapped = torch.where(covered, moved, own)
    return CrossPatterns(diffraction_intensity(swapped, probes[:, target].flatten(0, 1)), target)


Weighting = Literal["probe", "central_mask", "uniform"]


def merge_weights(probes: Tensor, weighting: Weighting) -> Tensor:
    """Weights of the pixels of patches where they overlap: probes `(..., P, N, N)` to `(..., N, N)`.

    weighting probe: its illumination `sum_p |P_p|^2`; central_mask: 1 in the central N/2 square, 0 outside;
    uniform: 1 everywhere.
    """
    if weighting == "probe":
        return mode_sum_intensity(probes)
    weights = torch.ones_like(probes.real[..., 0, :, :])
    if weighting == "central_mask":
        side = weights.shape[-1]
        centre = torch.zeros(side, device=weights.device)
        centre[side // 4 : side // 4 + side // 2] = 1.0
        weights = weights * centre[:, None] * centre
    return weights


def merge_group(patches: Tensor, probes: Tensor, centre_yx: Tensor, weighting: Weighting = "probe") -> Tensor:
    """Patches `(B, C, N, N)` replaced by cuts of the one object that they form together.

    The group's object is the weighted mean of its patches; cutting it again makes every pattern of the group depend on
    all patches. probes `(B, C, P, N, N)`, centre_yx `(B, C, 2)` int64 in px; weighting: as for `merge_weights`.
    """
    if patches.shape[1] == 1:
        return patches
    corner = (centre_yx - centre_yx.amin(dim=1, keepdim=True)).to(probes.real.dtype)
    side = patches.shape[-1] + int(corner.max())
    region = merge(patches, merge_weights(probes, weighting), corner, side, side)
    return cut(region, corner, patches.shape[-1])
