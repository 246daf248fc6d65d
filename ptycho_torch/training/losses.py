"""Losses: the disagreement of predicted and measured patterns, and terms on the patches themselves.

Intensities are in units of the scan's mean, so that losses of different scans compare; the
Poisson terms are exactly the likelihood of the counts divided by the mean count per pixel.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_config.schema import OverlapOptions, RegularisationOptions, TrainingConfig
from ptycho_torch.physics.diffraction import diffraction_intensity, mode_sum_intensity, power
from ptycho_torch.physics.overlap import cross_patterns, merge_group
from ptycho_torch.records import Batch, Prediction
from ptycho_torch.registry import Registry

RATE_FLOOR = 1e-4
# Share of the power of a cluster: an object without structure has no relative error.
LABEL_FLOOR = 1e-3
# From predicted intensities and measured amplitudes, (..., N, N) float32 both, to one number. Where the
# detector did not measure, the prediction is the square of the amplitude.
PatternLoss = Callable[[Tensor, Tensor], Tensor]
LOSSES: Registry[PatternLoss] = Registry("loss", "ptycho.losses")


@LOSSES.add("poisson")
def poisson_deviance(rate: Tensor, amplitude: Tensor) -> Tensor:
    """`mean[L - K log L - (K - K log K)]`, `K = A^2`: the negative log-likelihood per pixel
    above that of a perfect fit, so 0 at best. rate L, amplitude A: `(..., N, N)`. Both sides are
    raised by `RATE_FLOOR`, which keeps the gradient finite where nothing was measured or predicted.
    """
    counts = amplitude.square() + RATE_FLOOR
    floored = rate + RATE_FLOOR
    return (floored - counts - counts * torch.log(floored / counts)).mean()


@LOSSES.add("mae")
def amplitude_mae(rate: Tensor, amplitude: Tensor) -> Tensor:
    """`mean | sqrt(L) - A |`, rate L and amplitude A `(..., N, N)`, with `L` and `A^2` raised by
    `RATE_FLOOR`: the slope of a root is infinite at 0."""
    measured = torch.sqrt(amplitude.square() + RATE_FLOOR)
    return (torch.sqrt(rate + RATE_FLOOR) - measured).abs().mean()


def energy_matched_mae(rate: Tensor, amplitude: Tensor) -> Tensor:
    """`amplitude_mae` of `a^2 L` with `a^2 = sum A^2 / sum L` for each pattern, rate L and amplitude A
    `(..., N, N)`: only the shape of a pattern counts, not its brightness."""
    energy = rate.sum(dim=(-2, -1), keepdim=True)
    ratio = amplitude.square().sum(dim=(-2, -1), keepdim=True) / (energy + RATE_FLOOR)
    return amplitude_mae(rate * ratio, amplitude)


def pattern_loss(training: TrainingConfig) -> PatternLoss:
    """The function that `training.torch_loss_mode` names. Raises ConfigError where its package is missing."""
    if training.torch_mae_pred_l2_match_target:
        return energy_matched_mae
    return LOSSES.find(training.torch_loss_mode, "training.torch_loss_mode")


def total_variation(rows: Tensor, columns: Tensor) -> Tensor:
    """`mean |d_y x| + mean |d_x x|` from the first differences along rows and along columns."""
    return rows.abs().mean() + columns.abs().mean()


def _amplitude_term(kind: str, patches: Tensor) -> Tensor:
    amplitude = torch.sqrt(patches.real.square() + patches.imag.square() + RATE_FLOOR)
    if kind == "Total_Variation":
        return total_variation(amplitude.diff(dim=-2), amplitude.diff(dim=-1))
    return (amplitude - amplitude.mean(dim=(-2, -1), keepdim=True)).abs().mean()


def _phase_term(kind: str, patches: Tensor) -> Tensor:
    """Differences of phases are phases of products, so a wrap is no jump."""
    if kind == "Total_Variation":
        rows = torch.angle(patches[..., 1:, :] * patches[..., :-1, :].conj())
        columns = torch.angle(patches[..., 1:] * patches[..., :-1].conj())
        return total_variation(rows, columns)
    return torch.angle(patches * patches.mean(dim=(-2, -1), keepdim=True).conj()).abs().mean()


def regularisation(patches: Tensor, options: RegularisationOptions) -> Tensor:
    """The terms on amplitude and phase of patches `(..., N, N)`, per pixel; options: kinds and weights."""
    term = patches.real.new_zeros(())
    if options.amp_loss is not None:
        term = term + options.amp_loss_coeff * _amplitude_term(options.amp_loss, patches)
    if options.phase_loss is not None:
        term = term + options.phase_loss_coeff * _phase_term(options.phase_loss, patches)
    return term


def label_loss(patches: Tensor, label: Tensor) -> Tensor:
    """`2 mean ||O| - |L|| + 4 mean |arg(O L*)|`: amplitude and phase of a known object, the phase
    difference wrapped. patches and label `(..., N, N)` complex."""
    amplitude = (patches.abs() - label.abs()).abs().mean()
    return 2 * amplitude + 4 * torch.angle(patches * label.conj()).abs().mean()


def exit_wave_error(patches: Tensor, probes: Tensor, label: Tensor) -> Tensor:
    """`e(u O - L) + e'(u O - L)`: the relative errors of the exit waves and of their slopes.

    `e(D)^2 = sum_p,r |P_p D|^2 / sum_p,r |P_p (L - <L>)|^2`, e' the same for the differences of D and L
    from pixel to pixel, which coarse structure hardly enters; u is the one phase factor of a cluster
    that brings its patches nearest. By Parseval, the error of the diffraction patterns with the phases
    that no detector sees. patches and label `(B, S, N, N)`, probes `(B, S, P, N, N)`; a mean over B.
    """
    illumination = mode_sum_intensity(probes)
    overlap = _over_cluster(illumination * patches.conj() * label)
    turned = patches * overlap / overlap.abs().clamp_min(RATE_FLOOR)
    mean = _over_cluster(illumination * label) / _over_cluster(illumination)
    floor = LABEL_FLOOR * _over_cluster(illumination * power(label))
    error = _over_cluster(illumination * power(turned - label))
    whole = error / _over_cluster(illumination * power(label - mean)).clamp_min(floor)
    slopes = _slopes(turned - label, illumination) / _slopes(label, illumination).clamp_min(LABEL_FLOOR * floor)
    return ((whole + RATE_FLOOR**2).sqrt() + (slopes + RATE_FLOOR**2).sqrt()).mean()


def _over_cluster(x: Tensor) -> Tensor:
    return x.sum(dim=(-3, -2, -1), keepdim=True)


def _slopes(field: Tensor, illumination: Tensor) -> Tensor:
    """`sum w |d_y x|^2 + w |d_x x|^2` of a cluster."""
    rows = _over_cluster(illumination[..., 1:, :] * power(field.diff(dim=-2)))
    return rows + _over_cluster(illumination[..., 1:] * power(field.diff(dim=-1)))


class LossTerms(NamedTuple):
    """The data term, the unweighted overlap term, the regularisation, and
    `total = data + weight * overlap + regularisation`."""

    data: Tensor
    overlap: Tensor
    regularisation: Tensor
    total: Tensor


def _mask_prediction(intensity: Tensor, amplitude: Tensor, valid_pixels: Tensor | None) -> Tensor:
    """The prediction where the detector measured, and the measured value elsewhere, which adds no loss."""
    return intensity if valid_pixels is None else torch.where(valid_pixels, intensity, amplitude.square())


def cluster_loss(
    prediction: Prediction, batch: Batch, loss: PatternLoss, overlap: OverlapOptions, *, merge: bool
) -> LossTerms:
    """The loss of a batch of clusters.

    prediction: its patches and probes. loss: of patterns. overlap: the weight of the overlap term.
    merge: the members of a group form one object.
    """
    (patches, probes), members = prediction, prediction.patches
    nothing = patches.real.new_zeros(())
    if merge:
        group = slice(batch.merged)
        merged = merge_group(patches[:, group], probes[:, group], batch.centre_yx[:, group], overlap.merge_weighting)
        members = torch.cat([merged, patches[:, batch.merged :]], dim=1)
    intensity = diffraction_intensity(members, probes)
    data = loss(_mask_prediction(intensity, batch.amplitude, batch.valid_pixels), batch.amplitude)
    if overlap.weight == 0:
        return LossTerms(data, nothing, nothing, data)
    cross = cross_patterns(patches, probes, batch.centre_yx)
    measured = batch.amplitude[:, cross.target].flatten(0, 1)
    disagreement = loss(_mask_prediction(cross.intensity, measured, batch.valid_pixels), measured)
    return LossTerms(data, disagreement, nothing, data + overlap.weight * disagreement)
