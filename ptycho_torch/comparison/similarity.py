"""Distances and similarities of real images: amplitudes, or phases in rad."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Real = NDArray[np.floating]
# Weights of the scales, finest first (Wang, Simoncelli & Bovik 2003).
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
SMALLEST_SIDE = 11


def wrapped(angle: Real) -> Real:
    """The angle in `(-pi, pi]`."""
    inside: Real = np.angle(np.exp(1j * angle))
    return inside


def multi_scale_ssim(image: Real, truth: Real, data_range: float) -> float:
    """`prod_l SSIM_l^w_l` over halvings of the resolution, each after a Gaussian of 1 px; scales
    that would be smaller than the window of the SSIM are left out and the weights rescaled."""
    values: list[float] = []
    while min(image.shape) >= SMALLEST_SIDE and len(values) < len(SCALE_WEIGHTS):
        values.append(max(structural_similarity(image, truth, data_range=data_range), 0.0))
        image, truth = (gaussian_filter(picture, 1.0)[::2, ::2] for picture in (image, truth))
    weights = np.array(SCALE_WEIGHTS[: len(values)])
    return float(np.prod(np.power(values, weights / weights.sum())))


def similarity(difference: Real, image: Real, truth: Real) -> dict[str, float | None]:
    """MAE and MSE of the difference, PSNR in dB (null where there is no difference), SSIM and
    multi-scale SSIM over the range of the truth; images `(H, W)`. Raises ValueError for a truth
    without contrast."""
    data_range = float(np.ptp(truth))
    if data_range == 0:
        raise ValueError("the reference is constant, so there is nothing to compare with")
    return {
        "mae": float(np.abs(difference).mean()),
        "mse": float(np.square(difference).mean()),
        "psnr": (
            float(peak_signal_noise_ratio(truth, truth + difference, data_range=data_range))
            if difference.any()
            else None
        ),
        "ssim": float(structural_similarity(image, truth, data_range=data_range)),
        "ms_ssim": multi_scale_ssim(image, truth, data_range),
    }
