"""From metres to object pixels, and whether the far field holds."""

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.physics.spacing import nearest_step
from ptycho_torch.records import Geometry

PLANCK_TIMES_LIGHT = 1.98644586e-25  # J m
ELECTRONVOLT = 1.602176634e-19  # J
ELECTRON_REST_ENERGY = 8.1871057769e-14  # J
_LEAST_OVERLAP = 0.5


def object_pixel_m(energy_j: float, distance_m: float, detector_pixel_m: float, side: int) -> float:
    """`lambda z / (N p)` with `lambda = h c / E`: the pixel in m of an object seen in the far field.

    energy_j: E of a photon; distance_m: z from sample to detector; detector_pixel_m: p; side: N in px.
    """
    return PLANCK_TIMES_LIGHT / energy_j * distance_m / (side * detector_pixel_m)


def array_centre(length_px: int, side: int) -> float:
    """The position of the middle of an array of length_px W: `W/2` for patches whose side N is even,
    `(W - 1)/2` for odd N.

    ptychodus counts from the centre of pixel 0, where the middle is `(W - 1)/2`, and puts a patch of N px
    symmetrically around its position; here the patch of position x starts at pixel `x - N//2`. These are
    the same patches where x is larger by half a pixel for even N, and equal for odd N.
    """
    return (length_px - side % 2) / 2


def far_field(
    position_m: NDArray[np.float64],
    *,
    energy_j: float,
    distance_m: float,
    detector_pixel_m: tuple[float, float],
    frame: tuple[int, int],
) -> tuple[NDArray[np.float64], Geometry]:
    """Positions `(n, 2)` in pixels of a far-field object, and the geometry they were made with.

    position_m `(n, 2)`; energy_j of a photon; distance_m to the detector; detector_pixel_m and frame, in
    px, as (y, x). `(r - min r) / dx + N // 2`: the first patch starts at pixel 0.
    """
    sides = zip(detector_pixel_m, frame, strict=True)
    height, width = (object_pixel_m(energy_j, distance_m, size, side) for size, side in sides)
    position, geometry = on_pixels(position_m, (height, width), frame)
    return position, attrs.evolve(
        geometry, photon_energy_ev=energy_j / ELECTRONVOLT, distance_m=distance_m, detector_pixel_m=detector_pixel_m
    )


def on_pixels(
    position_m: NDArray[np.float64], pixel_m: tuple[float, float], frame: tuple[int, int]
) -> tuple[NDArray[np.float64], Geometry]:
    """Positions `(n, 2)` in pixels of an object whose pixel_m (y, x) is known, and their geometry.

    position_m `(n, 2)`; frame `(H, W)` in px. `(r - min r) / dx + N // 2`: the first patch starts at pixel 0.
    """
    origin = position_m.min(axis=0) - np.array(frame) // 2 * pixel_m
    return (position_m - origin) / pixel_m, Geometry(pixel_m, (float(origin[0]), float(origin[1])))


def raster_positions(rows: int, columns: int, step_m: tuple[float, float]) -> NDArray[np.float64]:
    """Positions (y, x) in m of a raster of rows and columns with step_m (y, x), line by line:
    `(rows * columns, 2)`."""
    y, x = np.meshgrid(np.arange(rows) * step_m[0], np.arange(columns) * step_m[1], indexing="ij")
    return np.stack([y.reshape(-1), x.reshape(-1)], axis=1)


def electron_wavelength_m(energy_ev: float) -> float:
    """`h c / sqrt(E^2 + 2 E m c^2)`: the wavelength in m of electrons with the kinetic energy E in eV."""
    energy = energy_ev * ELECTRONVOLT
    return PLANCK_TIMES_LIGHT / float(np.sqrt(energy**2 + 2 * energy * ELECTRON_REST_ENERGY))


def micrometres(*lengths_m: float) -> str:
    """Lengths in m as text for people: 0.065 x 0.065 micrometres."""
    return f"{' x '.join(f'{1e6 * length:.4g}' for length in lengths_m)} \N{MICRO SIGN}m"


def near_field_reason(geometry: Geometry, position_yx: NDArray[np.float64], frame: tuple[int, int]) -> str | None:
    """The reason why patterns of this geometry are not of the far field, or None.

    position_yx `(n, 2)` and frame `(H, W)` in px. A single Fourier transform samples the field behind the sample with
    `dx = lambda z / (N p)`, which its quadratic phase allows up to `dx = p` (Voelz and Roggemann 2009), and holds
    `N dx` of it: a beam in there overlaps with its neighbour only if the steps are smaller than that.
    """
    detector = geometry.detector_pixel_m
    if detector is not None and any(dx > p for dx, p in zip(geometry.pixel_m, detector, strict=True)):
        return (
            f"its far field would have object pixels of {max(geometry.pixel_m):.3g} m, larger than those of "
            f"the detector ({max(detector):.3g} m): the detector is in the near field of the sample"
        )
    if not np.isfinite(position_yx).all():
        return None  # an error of its own, wherever positions are checked
    step, window = nearest_step(position_yx), min(frame)
    if step > (1 - _LEAST_OVERLAP) * window:
        return (
            f"neighbouring positions lie {step:.3g} px apart, but a far-field pattern of this geometry sees "
            f"only {window} px ({window * max(geometry.pixel_m):.3g} m) of the object: either it is of the "
            "near field, or a length or the energy is in another unit"
        )
    return None
