"""Registration of two complex images of one object."""

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import fourier_shift
from scipy.signal.windows import tukey
from skimage.registration import phase_cross_correlation

from ptycho_torch.evaluation.metrics import remove_ramp

Complex = NDArray[np.complexfloating]
Real = NDArray[np.floating]
UPSAMPLING = 100
_FADED = 0.25
_PADDING_PX = 16
_REFINEMENTS = 3
_BORDER_PX = 2
_FURTHEST_FRACTION_PX = 2
_ROUNDING = 1e-9


@attrs.frozen(eq=False)
class Aligned:
    """Image and reference `(H, W)` complex128 on their common area, and the shift `(y, x)` in px
    by which the image was moved: positive is down and right."""

    image: Complex
    reference: Complex
    shift_yx: Real


def taper(image: NDArray[np.inexact], taper_px: tuple[float, float]) -> NDArray[np.inexact]:
    """`(I - mean I) w(y) w(x)` of an image I `(H, W)`, w a Tukey window that falls over `taper_px` (rows,
    columns) at each side: without it the jump at the border, alike in all images, would correlate."""
    rows, columns = (tukey(size, min(1.0, 2 * px / size)) for size, px in zip(image.shape, taper_px, strict=True))
    faded: NDArray[np.inexact] = (image - image.mean()) * rows[:, None] * columns
    return faded


def central_area(image: Complex, reference: Complex) -> tuple[Complex, Complex]:
    """The centres of image and reference, complex, each cropped to the smaller height and width."""
    size = np.minimum(image.shape, reference.shape)
    cut = []
    for whole in (image, reference):
        top, left = (np.array(whole.shape) - size) // 2
        cut.append(whole[top : top + size[0], left : left + size[1]])
    return cut[0], cut[1]


def shared_area(image: Complex, reference: Complex, offset_yx: tuple[int, int]) -> tuple[Complex, Complex]:
    """Both images on the pixels that both cover where element `[0, 0]` of the image lies on element
    `offset_yx` of the reference. Empty arrays where they do not overlap."""
    start = np.maximum(offset_yx, 0)
    stop = np.maximum(start, np.minimum(np.add(offset_yx, image.shape), reference.shape))
    (top, left), (bottom, right), (y, x) = start.tolist(), stop.tolist(), offset_yx
    return image[top - y : bottom - y, left - x : right - x], reference[top:bottom, left:right]


def shift_image(image: Complex, shift_yx: Real) -> Complex:
    """`I'(r) = I(r - s) = F^-1[exp(-2 pi i q . s) F I]` of a complex image I `(H, W)`, s = shift_yx in px:
    positive is down and right. Borders are continued by reflection, so that they do not ring; what
    comes in over them is no data."""
    pad = min(_PADDING_PX, *image.shape) + int(np.ceil(np.abs(shift_yx).max()))
    wide = np.pad(image, pad, mode="symmetric")
    moved: Complex = np.fft.ifft2(fourier_shift(np.fft.fft2(wide), shift_yx))
    return moved[pad:-pad, pad:-pad]


def find_shift(image: NDArray[np.inexact], reference: NDArray[np.inexact]) -> Real:
    """`argmax_s |sum_r I(r - s)* T(r)|`: the shift `(y, x)` in px, to 1/100 px, that brings `image`
    onto `reference`, both `(H, W)` real or complex.

    An upsampled Fourier transform around the peak of the cross correlation (Guizar-Sicairos, Thurman & Fienup, Opt.
    Lett. 33, 156, 2008). A global phase has no influence, a phase ramp has. The correlation is not whitened, so that
    noise at high frequencies has little weight. 0 where one of them is constant.
    """
    fall = (_FADED * image.shape[0], _FADED * image.shape[1])
    pair = taper(reference, fall), taper(image, fall)
    scales = (np.abs(reference).max(), np.abs(image).max())
    if any(np.abs(faded).max() <= _ROUNDING * scale for faded, scale in zip(pair, scales, strict=True)):
        return np.zeros(2)
    found, _, _ = phase_cross_correlation(*pair, upsample_factor=UPSAMPLING, normalization=None)
    return np.asarray(found, np.float64)


def _offsets(image: Complex, reference: Complex) -> list[tuple[int, int]]:
    """Candidates for the whole-pixel shift that a phase ramp does not change: of the magnitudes; of the products of
    neighbours down and right, where a ramp is a global phase and a phase object has structure; and no shift."""
    pairs = [(np.abs(image), np.abs(reference))]
    pairs += [(_neighbours(image, axis), _neighbours(reference, axis)) for axis in (0, 1)]
    found = [find_shift(one, other) for one, other in pairs] + [np.zeros(2)]
    return sorted({(round(y), round(x)) for y, x in found}, key=lambda offset: abs(offset[0]) + abs(offset[1]))


def _neighbours(image: Complex, axis: int) -> Complex:
    """`I(r + e) I(r)*`, e one px down (axis 0) or right (axis 1)."""
    return np.roll(image, -1, axis) * np.conj(image)


def _distance(image: Complex, reference: Complex, offset_yx: tuple[int, int]) -> float:
    """`|a I exp(i k r) - T| / |T|` on the shared area; 1 where that is under a quarter of the frame."""
    cut, kept = shared_area(image, reference, offset_yx)
    if 4 * cut.size < image.size:
        return 1.0
    return float(np.linalg.norm(remove_ramp(cut, kept) - kept) / np.linalg.norm(kept))


def _fraction(image: Complex, reference: Complex) -> Real:
    """The sub-pixel shift of images that match to a pixel; 0 where the search leaves their neighbourhood, as
    it does for images that have nothing in common."""
    fraction = np.zeros(2)
    for _ in range(_REFINEMENTS):
        fraction += find_shift(remove_ramp(shift_image(image, fraction), reference), reference)
        if np.abs(fraction).max() > _FURTHEST_FRACTION_PX:
            return np.zeros(2)
    return fraction


def align(image: Complex, reference: Complex) -> Aligned:
    """`a I(r - s) exp(i k . r)` and `T(r)`: image I and reference T without relative shift, phase ramp and
    complex factor.

    Both `(H, W)` complex of one shape, at least 16 px a side. First by whole pixels, then by fractions on
    the area in common, less 2 px at the border, which are interpolated from beyond it.
    """
    image, reference = image.astype(np.complex128), reference.astype(np.complex128)
    offset = min(_offsets(image, reference), key=lambda tried: _distance(image, reference, tried))
    cut, kept = shared_area(image, reference, offset)
    level = remove_ramp(cut, kept)
    fraction = _fraction(level, kept)
    border = _BORDER_PX + np.ceil(np.abs(fraction)).astype(int)
    inside = tuple(slice(px, size - px) for px, size in zip(border, kept.shape, strict=True))
    moved = shift_image(level, fraction)[inside]
    return Aligned(remove_ramp(moved, kept[inside]), kept[inside], np.add(offset, fraction))
