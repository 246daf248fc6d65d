"""The comparison of a reconstruction with a reference: images, figures of merit and resolution."""

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.fourier_ring import (
    ONE_SEVENTH,
    Curve,
    Resolution,
    RingCorrelation,
    fourier_ring_correlation,
    information_threshold,
    resolution,
)
from ptycho_torch.evaluation.metrics import contrast_and_detail, remove_ramp
from ptycho_torch.evaluation.read import PlacedObject
from ptycho_torch.evaluation.registration import Aligned, Complex, align, central_area, shared_area, taper
from ptycho_torch.evaluation.similarity import Similarity, similarity, wrap_phase
from ptycho_torch.output.object_pictures import illuminated_box
from ptycho_torch.records import Canvas

SMALLEST_SIDE_PX = 32
TAPER_PX = 20
_PIXEL_TOLERANCE = 0.01
_ROUNDING = 1e-5


@attrs.frozen(eq=False)
class Comparison:
    """The aligned images, and all figures of merit.

    names: reconstruction, reference; in this order amplitudes and phases in rad `(2, H, W)`, aligned;
    shift_yx: the shift of the reconstruction in px, positive is down and right; contrast, detail: see
    `metrics.contrast_and_detail`; rings, half_bit `(R,)`: the Fourier ring correlation (FRC) and its
    threshold; resolution: at the thresholds `half_bit`, `one_seventh`, `one_half`; pixel_m: the side of a pixel in m,
    where one of the files knows it.
    """

    names: tuple[str, str]
    amplitudes: NDArray[np.float64]
    phases: NDArray[np.float64]
    shift_yx: tuple[float, float]
    contrast: float
    detail: float
    amplitude: Similarity
    phase: Similarity
    rings: RingCorrelation
    half_bit: Curve
    resolution: dict[str, Resolution]
    pixel_m: float | None = None

    def figures(self) -> dict[str, Any]:
        """All figures as JSON values."""
        return {
            "reconstruction": self.names[0],
            "reference": self.names[1],
            "shape": list(self.phases.shape[1:]),
            "pixel_m": self.pixel_m,
            "shift_yx_px": list(self.shift_yx),
            "contrast": self.contrast,
            "detail": self.detail,
            "amplitude": attrs.asdict(self.amplitude),
            "phase_rad": attrs.asdict(self.phase),
            "resolution": {name: attrs.asdict(found) for name, found in self.resolution.items()},
        }


def compare(reconstruction: PlacedObject, reference: PlacedObject) -> Comparison:
    """Align the reconstruction with the reference and measure their difference.

    Compared are the illuminated parts: where both overlap, if both origins are known, else around the
    centres. Amplitudes after one complex factor; phases without the ramp of the reference, their
    differences wrapped, counted from its lowest value; the FRC of the complex images, tapered over 20 px.
    Raises DataError for pixels of different sizes, less than 32 px in common, and a constant reference.
    """
    names = (reconstruction.name, reference.name)
    image, truth = _common(_crop_to_illumination(reconstruction), _crop_to_illumination(reference))
    if np.abs(truth - truth.mean()).max() <= _ROUNDING * np.abs(truth).max():
        hint = "the objectGuess of a scan may be nothing but a starting value"
        raise DataError(names[1], "is constant where the two are compared", hint)
    aligned = align(image, truth)
    refuse_small(aligned.image.shape, names)
    amplitudes, phases = np.abs([aligned.image, aligned.reference]), _phases(aligned)
    tapered = (taper(part, (TAPER_PX, TAPER_PX)) for part in (aligned.image, aligned.reference))
    rings = fourier_ring_correlation(*tapered)
    half_bit = information_threshold(rings.count)
    thresholds: dict[str, float | Curve] = {"half_bit": half_bit, "one_seventh": ONE_SEVENTH, "one_half": 0.5}
    y, x = aligned.shift_yx.tolist()
    contrast, detail = contrast_and_detail(aligned.image, aligned.reference)
    return Comparison(
        names=names,
        amplitudes=amplitudes,
        phases=phases,
        shift_yx=(y, x),
        contrast=contrast,
        detail=detail,
        amplitude=similarity(amplitudes[0], amplitudes[1], _ROUNDING * float(amplitudes[1].max())),
        phase=similarity(phases[0], phases[1], _ROUNDING),
        rings=rings,
        half_bit=half_bit,
        resolution={name: resolution(rings, limit) for name, limit in thresholds.items()},
        pixel_m=reference.pixel_m or reconstruction.pixel_m,
    )


def _crop_to_illumination(placed: PlacedObject) -> PlacedObject:
    if placed.illumination is None:
        return placed
    illumination = placed.illumination.astype(np.float32)
    rows, columns = illuminated_box(Canvas(placed.values.astype(np.complex64), illumination, (0, 0)))
    corner = (rows.start, columns.start)
    return attrs.evolve(
        placed,
        values=placed.values[rows, columns],
        illumination=illumination[rows, columns],
        origin_yx=_shift_origin(placed.origin_yx, corner),
        scan_origin_yx=_shift_origin(placed.scan_origin_yx, corner),
    )


def _shift_origin(origin: tuple[int, int] | None, by: tuple[int, int]) -> tuple[int, int] | None:
    return None if origin is None else (origin[0] + by[0], origin[1] + by[1])


def origins(image: PlacedObject, reference: PlacedObject) -> list[tuple[int, int] | None]:
    """The origins of image and reference in the same units: where one file knows no metres, in pixels of the scan."""
    if (image.pixel_m is None) == (reference.pixel_m is None):
        return [image.origin_yx, reference.origin_yx]
    return [one.origin_yx if one.pixel_m is None else one.scan_origin_yx for one in (image, reference)]


def _common(image: PlacedObject, reference: PlacedObject) -> tuple[Complex, Complex]:
    names = (image.name, reference.name)
    refuse_pixels(image, reference)
    first, second = origins(image, reference)
    if first is None or second is None:
        cut = central_area(image.values, reference.values)
    else:
        (y, x), (top, left) = first, second
        cut = shared_area(image.values, reference.values, (y - top, x - left))
    refuse_small(cut[0].shape, names)
    return cut


def refuse_pixels(image: PlacedObject, reference: PlacedObject) -> None:
    """Raise DataError where pixels of image and reference are known and differ by more than 1 %."""
    if image.pixel_m and reference.pixel_m and abs(image.pixel_m / reference.pixel_m - 1) > _PIXEL_TOLERANCE:
        raise DataError(
            f"{image.name} and {reference.name}",
            f"have pixels of {image.pixel_m:.4g} m and {reference.pixel_m:.4g} m",
            "resample one of them",
        )


def refuse_small(shape: tuple[int, ...], names: tuple[str, ...]) -> None:
    """Raise DataError where a shape of the area that objects of these names have in common is too small."""
    if min(shape) < SMALLEST_SIDE_PX:
        raise DataError(
            " and ".join(names),
            f"have {shape[0]} x {shape[1]} px in common; {SMALLEST_SIDE_PX} a side are needed",
            "an object saved as .npy has no origin and is compared around its centre",
        )


def _phases(aligned: Aligned) -> NDArray[np.float64]:
    """Phases in rad `(2, H, W)` of image and reference, without the ramp of the reference."""
    ramp = remove_ramp(np.ones_like(aligned.reference), aligned.reference)
    truth = np.angle(aligned.reference * np.exp(-1j * np.angle(ramp)))
    truth -= truth.min()
    difference = wrap_phase(np.angle(aligned.image) - np.angle(aligned.reference))
    return np.stack([truth + difference, truth])
