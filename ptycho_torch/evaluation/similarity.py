"""Distance and similarity of two real images: amplitudes, or phases in rad."""

import attrs
import numpy as np
from numpy.typing import NDArray
from skimage.filters import gaussian
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Real = NDArray[np.floating]
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW_PX = 11
_WINDOW = {"sigma": 1.5, "truncate": 3.5}
_C2 = 0.03**2
_EQUAL = 1e-12


@attrs.frozen
class Similarity:
    """MAE in the unit of the images, MSE in its square, PSNR in dB (None for equal images), SSIM and
    multi-scale SSIM, at most 1. The last three are None for a truth without contrast, such as the
    amplitude of a phase object: they are relative to its range."""

    mae: float
    mse: float
    psnr_db: float | None
    ssim: float | None
    ms_ssim: float | None


def wrap_phase(angle: Real) -> Real:
    """`arg exp(i angle)`: the angle in rad in (-pi, pi]."""
    inside: Real = np.angle(np.exp(1j * angle))
    return inside


def ssim(image: Real, truth: Real, data_range: float) -> float:
    """`mean[l c]`, `l = (2 m1 m2 + C1) / (m1^2 + m2^2 + C1)` of local means and
    `c = (2 s12 + C2) / (s1^2 + s2^2 + C2)` of local (co)variances, `C = (0.01 L)^2, (0.03 L)^2`.

    Window: a Gaussian of 1.5 px (Wang et al., IEEE Trans. Image Process. 13, 600, 2004). image, truth:
    real `(H, W)`, at least 11 px a side; L is `data_range`, in their unit.
    """
    return float(
        structural_similarity(truth, image, data_range=data_range, gaussian_weights=True, use_sample_covariance=False)
    )


def contrast_structure(image: Real, truth: Real, data_range: float) -> float:
    """`mean[c]`: the SSIM without its comparison of local means; image, truth, data_range as for `ssim`."""
    m1, m2 = gaussian(image, **_WINDOW), gaussian(truth, **_WINDOW)
    variances = gaussian(image**2, **_WINDOW) - m1**2 + gaussian(truth**2, **_WINDOW) - m2**2
    covariance = gaussian(image * truth, **_WINDOW) - m1 * m2
    constant = _C2 * data_range**2
    border = WINDOW_PX // 2
    inside = np.s_[border:-border, border:-border]
    return float(((2 * covariance + constant) / (variances + constant))[inside].mean())


def halve(image: Real) -> Real:
    """Means of 2 x 2 px of an image `(H, W)`, `(H // 2, W // 2)`: low-pass and decimation in one; an odd
    border is dropped."""
    height, width = (size // 2 for size in image.shape)
    means: Real = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    return means


def multi_scale_ssim(image: Real, truth: Real, data_range: float) -> float:
    """`SSIM_M^w_M prod_(j<M) c_j^w_j` over M halvings of the resolution, finest first; means below 0
    count as 0. image, truth, data_range as for `ssim`.

    Wang, Simoncelli & Bovik, Asilomar 2003, eq. 7: local means are compared at the coarsest scale
    only. M is 5, or as many as leave images of 11 px a side; the weights are rescaled to sum 1.
    """
    fitting = int(np.log2(min(image.shape) / WINDOW_PX)) + 1
    weights = np.array(SCALE_WEIGHTS[:fitting])
    values = []
    for _ in weights[1:]:
        values.append(contrast_structure(image, truth, data_range))
        image, truth = halve(image), halve(truth)
    values.append(ssim(image, truth, data_range))
    return float(np.prod(np.maximum(values, 0.0) ** (weights / weights.sum())))


def psnr_db(image: Real, truth: Real, data_range: float) -> float | None:
    """`10 log10(L^2 / MSE)` in dB of image and truth `(H, W)` real, L the `data_range` in their unit; None
    where they are equal up to rounding."""
    if np.abs(image - truth).max() <= _EQUAL * data_range:
        return None
    return float(peak_signal_noise_ratio(truth, image, data_range=data_range))


def similarity(image: Real, truth: Real, rounding: float = 0.0) -> Similarity:
    """All figures of merit of image and truth, real `(H, W)` of one unit, at least 11 px a side.

    L is the range of the truth, as it must not depend on the image; a range of at most `rounding`, in
    the same unit, counts as no contrast.
    """
    difference = image - truth
    mae, mse = float(np.abs(difference).mean()), float(np.square(difference).mean())
    data_range = float(np.ptp(truth))
    if data_range <= rounding:
        return Similarity(mae, mse, None, None, None)
    figures = (figure(image, truth, data_range) for figure in (psnr_db, ssim, multi_scale_ssim))
    return Similarity(mae, mse, *figures)
