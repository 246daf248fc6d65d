"""Losses: how a predicted pattern disagrees with the measured one.

Intensities are in units of the scan's mean, so that losses of different scans compare; the
Poisson terms are exactly the likelihood of the counts divided by the mean count per pixel.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ptycho_config import OverlapOptions
from ptycho_torch.physics.diffraction import diffraction_intensity
from ptycho_torch.physics.overlap import cross_patterns, merge_group
from ptycho_torch.records import Batch, Prediction

RATE_FLOOR = 1e-4
PatternLoss = Callable[[Tensor, Tensor], Tensor]


def poisson_deviance(rate: Tensor, amplitude: Tensor) -> Tensor:
    """`mean[L - K log L - (K - K log K)]`, `K = A^2`: the negative log-likelihood per pixel
    above that of a perfect fit, so 0 at best. Both sides are raised by `RATE_FLOOR`, which
    keeps the gradient finite where nothing was measured or predicted.
    """
    counts = amplitude.square() + RATE_FLOOR
    floored = rate + RATE_FLOOR
    return (floored - counts - counts * torch.log(floored / counts)).mean()


def amplitude_mae(rate: Tensor, amplitude: Tensor) -> Tensor:
    """`mean | sqrt(L) - A |`, with `L` and `A^2` raised by `RATE_FLOOR`: a root has no slope at 0."""
    measured = torch.sqrt(amplitude.square() + RATE_FLOOR)
    return (torch.sqrt(rate + RATE_FLOOR) - measured).abs().mean()


def pattern_loss(mode: Literal["poisson", "mae"]) -> PatternLoss:
    """The function that `training.torch_loss_mode` names."""
    return {"poisson": poisson_deviance, "mae": amplitude_mae}[mode]


class LossTerms(NamedTuple):
    """The data term, the unweighted overlap term, and `total = data + weight * overlap`."""

    data: Tensor
    overlap: Tensor
    total: Tensor


def cluster_loss(
    prediction: Prediction, batch: Batch, loss: PatternLoss, overlap: OverlapOptions, *, merge: bool
) -> LossTerms:
    """The loss of a batch of clusters; `merge` lets the members of a group form one object."""
    patches, probes = prediction
    if merge:
        group = merge_group(
            patches[:, : batch.merged], probes[:, : batch.merged], batch.centre_yx[:, : batch.merged]
        )
        members = torch.cat([group, patches[:, batch.merged :]], dim=1)
    else:
        members = patches
    data = loss(diffraction_intensity(members, probes), batch.amplitude)
    if overlap.weight == 0:
        return LossTerms(data, torch.zeros_like(data), data)
    cross = cross_patterns(patches, probes, batch.centre_yx)
    measured = batch.amplitude[:, cross.target].flatten(0, 1)
    disagreement = loss(cross.intensity, measured)
    return LossTerms(data, disagreement, data + overlap.weight * disagreement)
