"""Figures of merit of a reconstruction, given the truth. Pure numpy."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_torch.records import Canvas, Dataset

Complex = NDArray[np.complexfloating]
DETAIL_SIGMA_PX = 3.0


def remove_ramp(image: Complex, reference: Complex) -> Complex:
    """`r -> a r exp(i(k . x))`: the global complex factor and linear phase ramp that bring
    `image` closest to `reference`, both `(H, W)` complex.

    Starts at the peak of the Fourier transform of `t r*`, so that no phase is unwrapped, and
    refines by weighted least squares on the remaining phase.
    """
    product = reference * np.conj(image)
    grid = np.stack(np.meshgrid(*map(np.arange, image.shape), indexing="ij"))
    peak = np.unravel_index(np.argmax(np.abs(np.fft.fft2(product))), image.shape)
    slope = 2 * np.pi * np.array([np.fft.fftfreq(n)[k] for n, k in zip(image.shape, peak, strict=True)])
    design = np.stack([np.ones(image.size), *(axis.ravel() for axis in grid)], axis=1)
    weight = np.abs(product).ravel()
    for _ in range(5):
        left = product * np.exp(-1j * np.tensordot(slope, grid, axes=1))
        offset = np.angle(left.sum())
        phase = np.angle(left * np.exp(-1j * offset)).ravel()
        normal = design.T @ (design * weight[:, None])
        slope = slope + np.linalg.solve(normal, design.T @ (weight * phase))[1:]
    straight: Complex = image * np.exp(1j * np.tensordot(slope, grid, axes=1))
    straight *= np.vdot(straight, reference) / np.vdot(straight, straight)
    return straight


def _correlation(a: Complex, b: Complex) -> float:
    if _is_flat(a) or _is_flat(b):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float(np.abs(np.vdot(a, b)) / np.sqrt(np.vdot(a, a).real * np.vdot(b, b).real))


def _is_flat(image: Complex) -> bool:
    """Whether the image is constant up to rounding, in the single precision in which objects are stored."""
    rounding = 100 * np.finfo(np.float32).eps
    return bool(np.abs(image - image.mean()).max() <= rounding * np.abs(image).max())


def _high_pass(image: Complex) -> Complex:
    low = gaussian_filter(image.real, DETAIL_SIGMA_PX) + 1j * gaussian_filter(image.imag, DETAIL_SIGMA_PX)
    high: Complex = image - low
    return high


def contrast_and_detail(image: Complex, truth: Complex) -> tuple[float, float]:
    """`(contrast, detail)` in [0, 1] of image and truth `(H, W)` complex, after removing the global factor
    and phase ramp.

    contrast `|<r, t>| / (|r| |t|)` with both means subtracted, dominated by coarse structure.
    detail: the same after subtracting each image's own Gaussian blur of 3 px: about 0.1 for a blurred picture. Both are
    compared where the truth itself has no ramp, so that the ramp fitted to a flat image earns it nothing: it scores 0.
    """
    image, truth = image.astype(np.complex128), truth.astype(np.complex128)
    ramp = remove_ramp(np.ones_like(truth), truth)
    level = np.conj(ramp) / np.abs(ramp)
    r, t = remove_ramp(image, truth) * level, truth * level
    return _correlation(r, t), _correlation(_high_pass(r), _high_pass(t))


def scanned_region(dataset: Dataset, canvas: Canvas) -> tuple[slice, slice]:
    """Slices of the canvas at least N/2 inside the box of the positions of the dataset, where illumination
    suffices for methods to be compared. Empty for a scan smaller than a pattern."""
    margin = dataset.probe.shape[-1] // 2
    low = np.ceil(dataset.position_yx.min(axis=0)).astype(int) + margin
    high = np.floor(dataset.position_yx.max(axis=0)).astype(int) - margin
    start, stop = low - canvas.origin_yx, high - canvas.origin_yx
    return slice(start[0], stop[0]), slice(start[1], stop[1])
