"""Losses and regularisation."""

import torch
from torch import Tensor

from ptycho_config.schema import RegularisationOptions
from ptycho_torch.physics.scaling import rms_input_scale
from ptycho_torch.training.losses import amplitude_mae, energy_matched_mae, poisson_deviance, regularisation
from tests.parity.physics.arrays import Vectors, tensor
from tests.parity.physics.verdict import Finding, Same, equal

LIKELIHOOD = "likelihood_above_a_perfect_fit"
PER_PIXEL = "losses_per_pixel"
SMALL = 1e-8
# In units so large that the floor of our losses is nothing.
UNIT = 1e12
ANGLE = 1e-4


def _likelihood(rate: Tensor, counts: Tensor) -> Tensor:
    """`sum L - K log L + lgamma(K + 1)` a sample: our deviance a pixel, times the pixels, on top of
    what a perfect fit has."""
    perfect = counts - torch.xlogy(counts, counts) + torch.lgamma(counts + 1)
    above = [
        poisson_deviance(UNIT * one, (UNIT * other).sqrt()) / UNIT * one.numel()
        for one, other in zip(rate, counts, strict=True)
    ]
    return torch.stack(above) + perfect.flatten(1).sum(dim=1)


def _mae(predicted: Tensor, measured: Tensor) -> Tensor:
    """Our mean absolute difference of amplitudes."""
    return amplitude_mae((UNIT * predicted).square(), UNIT * measured) / UNIT


def _amplitudes(z: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """`c A`, `c Y` and the mean of Y."""
    predicted, measured, scale = (tensor(z[name]) for name in ("A", "Y", "c"))
    return scale * predicted, scale * measured, measured.mean() + SMALL


def poisson_of_amplitudes(z: Vectors, key: str) -> Finding:
    """Of `(c A)^2` and `(c Y)^2`; the loss is the mean over samples and the mean of Y."""
    predicted, measured, mean = _amplitudes(z)
    likelihood = _likelihood(predicted.square(), measured.square())
    made = likelihood.mean() / mean if key == "poisson_amp_loss" else likelihood
    return Finding(rules=(LIKELIHOOD,), explained=[Same(made, z[key])])


def mae_of_amplitudes(z: Vectors, key: str) -> Finding:
    """`mean |c A - c Y|` over the mean of Y."""
    predicted, measured, mean = _amplitudes(z)
    ours = _mae(predicted, measured)
    return Finding([Same(ours, z[key])], (PER_PIXEL,), [Same(ours / mean, z[key])])


def matched(z: Vectors, key: str) -> Finding:
    """`alpha = sqrt(sum (cY)^2 / sum (cA)^2)` a sample, and what it makes of the prediction."""
    predicted, measured, mean = _amplitudes(z)
    alpha = rms_input_scale(predicted) / rms_input_scale(measured)
    if key != "mae_l2_loss":
        return equal(alpha if key == "l2_alpha" else alpha * predicted, z[key])
    # Ours matches each pattern; the channels of a sample as one tall pattern are matched as in theirs.
    ours = energy_matched_mae((UNIT * predicted).square(), UNIT * measured) / UNIT
    tall = energy_matched_mae((UNIT * predicted.flatten(1, 2)).square(), UNIT * measured.flatten(1, 2)) / UNIT
    return Finding([Same(ours, z[key])], (PER_PIXEL,), [Same(tall / mean, z[key])])


def poisson_of_counts(z: Vectors, key: str) -> Finding:
    """Of rates and counts; `ci_loss` is the mean of samples over their mean counts."""
    floored = key != "rect_legacy_poisson_per_sample"
    rate = tensor(z["I"]).clamp_min(SMALL) if floored else tensor(z["rect_legacy_rate"])
    likelihood = _likelihood(rate, tensor(z["K"]))
    if key == "ci_loss":
        likelihood = (likelihood / tensor(z["mean_measured"]).flatten()).mean()
    return Finding(rules=(LIKELIHOOD,), explained=[Same(likelihood, z[key])])


def mae_of_squares(z: Vectors, key: str) -> Finding:
    """`mean |I^2 - Y|`: an intensity taken for an amplitude and squared once more."""
    intensity, measured = tensor(z["I"]), tensor(z["Y"])
    direct = [Same(_mae(intensity.sqrt(), measured), z[key])]
    explained = [Same(_mae(intensity.square(), measured), z[key])]
    return Finding(direct, ("an_intensity_is_not_squared",), explained)


def smoothness(z: Vectors, key: str) -> Finding:
    """Sums a sample of differences, or of distances from the mean, of an image; ours are means of
    phases modulo 2 pi, which are those of the image where it is small."""
    kind = "Total_Variation" if key == "tv" else "Mean_Deviation"
    options = RegularisationOptions(phase_loss=kind)
    image = tensor(z["phase"])
    height, width = image.shape[-2:]
    per_image = height * width
    made = []
    for sample in image:
        # A square image has as many differences down as across; else each has its own number.
        patches = torch.polar(torch.ones_like(sample), ANGLE * sample)
        if key == "tv" and height != width:
            made.append(_variation(patches, options))
            continue
        count = len(sample) * (height * (width - 1) if key == "tv" else per_image)
        made.append(regularisation(patches, options) / ANGLE * count)
    return Finding(rules=(PER_PIXEL,), explained=[Same(torch.stack(made), z[key])])


def _variation(patches: Tensor, options: RegularisationOptions) -> Tensor:
    """Rows and columns one after the other, as images of two equal rows or columns."""
    total = patches.real.new_zeros(())
    for image in (patches, patches.transpose(-2, -1)):
        for row in image.unbind(-2):
            pair = torch.stack([row, row], dim=-2)
            total = total + regularisation(pair, options) / ANGLE * len(row) * (row.shape[-1] - 1)
    return total
