"""Bringing two complex images of one object onto each other."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import fourier_shift
from skimage.registration import phase_cross_correlation

from ptycho_torch.metrics import remove_ramp

Complex = NDArray[np.complexfloating]
UPSAMPLING = 100


def common_shape(image: Complex, reference: Complex) -> tuple[Complex, Complex]:
    """Both images cut around their centres to the smaller height and width."""
    height, width = np.minimum(image.shape, reference.shape)
    return _centre(image, height, width), _centre(reference, height, width)


def _centre(image: Complex, height: int, width: int) -> Complex:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def overlap(
    image: Complex, reference: Complex, origin_yx: tuple[int, int], reference_origin_yx: tuple[int, int]
) -> tuple[Complex, Complex]:
    """The area that both cover, for images whose element `[0, 0]` is the given object pixel.

    Raises ValueError where they do not meet.
    """
    start = np.maximum(origin_yx, reference_origin_yx)
    stop = np.minimum(np.add(origin_yx, image.shape), np.add(reference_origin_yx, reference.shape))
    if (stop - start < 2).any():
        raise ValueError(f"the images at {origin_yx} and {reference_origin_yx} do not overlap")
    parts = []
    for picture, origin in ((image, origin_yx), (reference, reference_origin_yx)):
        low, high = start - origin, stop - origin
        parts.append(picture[low[0] : high[0], low[1] : high[1]])
    return parts[0], parts[1]


def shifted(image: Complex, shift_yx: NDArray[np.float64]) -> Complex:
    """`I(r - s)` by a Fourier phase ramp: content moves down and right for positive shifts."""
    moved: Complex = np.fft.ifft2(fourier_shift(np.fft.fft2(image), shift_yx))
    return moved


def find_shift(image: Complex, reference: Complex) -> NDArray[np.float64]:
    """The shift `(y, x)` in px that moves `image` onto `reference`, to 1/100 px.

    The peak of the cross correlation of phases of the product with the reference, refined by an
    upsampled Fourier transform (Guizar-Sicairos, Thurman & Fienup 2008).
    """
    found, _, _ = phase_cross_correlation(reference, image, upsample_factor=UPSAMPLING, normalization=None)
    return np.asarray(found, np.float64)


def aligned(image: Complex, reference: Complex) -> tuple[Complex, Complex, NDArray[np.float64]]:
    """`(image, reference, shift)`: registered, without ramp, global phase and factor, on the area
    that the shift leaves; both of one shape `(H, W)`."""
    level = remove_ramp(image, reference)
    shift = find_shift(level, reference)
    margin = int(np.ceil(np.abs(shift).max())) + 1
    if 2 * margin >= min(image.shape) - 2:
        raise ValueError(f"the images are {shift} px apart, which leaves nothing to compare")
    inside = np.s_[margin : image.shape[0] - margin, margin : image.shape[1] - margin]
    kept = reference[inside]
    return remove_ramp(shifted(level, shift)[inside], kept), kept, shift
