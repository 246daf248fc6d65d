"""Options of a simulated scan: object, probe, positions, detector, and what the file says wrongly."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from ptycho_config import Problem, config, field
from ptycho_config.schema.checks import at_least, between, non_negative, positive


@config
class DeadLeaves:
    """Discs and boxes of power-law sizes that cover each other: the statistics of natural images."""

    KIND: ClassVar[str] = "dead_leaves"

    leaves: int = field(default=200, doc="number of shapes", check=positive)


@config
class Lines:
    """Straight lines at random places and angles."""

    lines: int = field(default=60, doc="number of lines", check=positive)
    width_px: float = field(default=4.0, doc="mean width", unit="px", check=positive)


@config
class GridLines:
    """Two families of parallel lines, as of a resolution target."""

    KIND: ClassVar[str] = "grid_lines"

    pitch_px: float = field(default=16.0, doc="from line to line", unit="px", check=positive)
    width_px: float = field(default=5.0, doc="width of a line", unit="px", check=positive)
    turn_deg: float = field(default=5.0, doc="turn of the grid", unit="deg")


@config
class Noise:
    """Random structure of a chosen spectrum."""

    form: Literal["power_law", "blobs", "grains"] = field(
        default="power_law", doc="all sizes (power_law), one size (blobs), or one size with sharp borders (grains)"
    )
    size_px: float = field(default=6.0, doc="size of blobs and grains", unit="px", check=positive)
    exponent: float = field(default=1.5, doc="fall of the amplitude with frequency, of power_law", check=non_negative)


@config
class Polyhedra:
    """Thickness of convex crystals in projection."""

    crystals: int = field(default=30, doc="number of crystals", check=positive)
    size_px: float = field(default=30.0, doc="mean radius", unit="px", check=positive)


@config
class Images:
    """Two pictures: test images of scikit-image by name, or files."""

    amplitude: str = field(default="coins", doc="name or file of the picture of the modulus")
    phase: str = field(default="camera", doc="name or file of the picture of the phase")


@config
class ObjectFile:
    """The object of a product, a reconstruction, a scan or a complex .npy array, as it is."""

    KIND: ClassVar[str] = "file"

    path: Path = field(doc="product.h5, reconstruction.npz, an NPZ with objectGuess, or .npy")


@config
class Lens:
    """A lens or zone plate out of focus, with aberrations."""

    pupil: float = field(
        default=0.22, doc="radius of the aperture, of the frequencies up to N/2", check=between(0.01, 1)
    )
    stop: float = field(default=0.0, doc="radius of the central stop, of the aperture", check=between(0, 0.95))
    defocus_rad: float = field(default=6.0, doc="phase of the defocus at the edge of the aperture", unit="rad")
    zernike_rad: tuple[float, ...] = field(
        default=(), doc="Zernike coefficients from Noll index 5 on: astigmatism, coma, trefoil, spherical", unit="rad"
    )


@config
class Gaussian:
    """A Gaussian beam."""

    rms_px: float = field(default=6.0, doc="rms radius of its intensity along an axis", unit="px", check=positive)
    curvature_rad: float = field(default=0.0, doc="quadratic phase at twice the rms radius", unit="rad")


@config
class ProbeFile:
    """The probe of a file, all of its modes."""

    KIND: ClassVar[str] = "file"

    path: Path = field(doc="a scan, or an .npy array (N, N) or (modes, N, N)")


@config
class Raster:
    """Rows and columns."""


@config
class Spiral:
    """An Archimedean spiral with turns one step apart."""


@config
class Fermat:
    """A Fermat spiral: equal areas for all positions, no two directions alike."""


@config
class Random:
    """Uniformly random places, of the density that the step says."""


@config
class TrueProbe:
    """The file holds the true probe."""

    KIND: ClassVar[str] = "true"


@config
class Disk:
    """The file holds a disk without phase, as people type in who know the size of the spot."""

    factor: float = field(default=1.3, doc="its radius over the rms radius of the true probe", check=positive)


@config
class Defocused:
    """The file holds the true probe at another distance."""

    defocus_rad: float = field(default=2.0, doc="additional phase at the edge of the spectrum's support", unit="rad")


@config
class Detector:
    """Counting."""

    photons: float = field(default=1e6, doc="in a pattern, on average", unit="photons", check=positive)
    background: float = field(default=0.0, doc="further counts a pixel", unit="photons", check=non_negative)
    flux: float = field(default=0.0, doc="spread of the exposure, rms of its logarithm", check=non_negative)
    noise: Literal["poisson", "none"] = field(default="poisson", doc="statistics of the counts")
    beam_stop_px: float = field(default=0.0, doc="radius of a beam stop in the centre", unit="px", check=non_negative)
    bad_pixels: int = field(default=0, doc="dead pixels at random places", unit="px", check=non_negative)
    mask: bool = field(default=True, doc="the file marks beam stop and dead pixels")


@config
class PositionErrors:
    """The recorded positions against the true ones."""

    rms_px: float = field(default=0.0, doc="independent errors along each axis", unit="px", check=non_negative)
    drift_px: float = field(default=0.0, doc="drift over the whole scan along y; along x -0.6 of it", unit="px")
    scale: float = field(default=1.0, doc="recorded over true distances", check=positive)
    rotation_deg: float = field(default=0.0, doc="turn of the recorded positions", unit="deg")


@config
class Beamline:
    """Lengths in the laboratory, from which a pixel of the object has its size."""

    energy_ev: float = field(default=8000.0, doc="of a photon", unit="eV", check=positive)
    distance_m: float = field(default=2.0, doc="from sample to detector", unit="m", check=positive)
    detector_pixel_m: float = field(default=75e-6, doc="side of a pixel of the detector", unit="m", check=positive)


def _room(scan: "Simulation") -> Iterator[Problem]:
    # The object of a file has a size of its own.
    if scan.side_px < scan.least_side_px and not isinstance(scan.object, ObjectFile):
        message = f"an object of {scan.side_px} px has no room for patterns of {scan.N} px"
        yield Problem("side_px", message, hint=f"give {scan.least_side_px} or more")


def _ranges(scan: "Simulation") -> Iterator[Problem]:
    for name, (lowest, highest) in (("amplitude", scan.amplitude), ("phase_rad", scan.phase_rad)):
        if lowest > highest:
            yield Problem(name, f"its lowest value {lowest} is above its highest, {highest}", hint="exchange them")
    if scan.amplitude[0] < 0:
        yield Problem("amplitude", f"a modulus cannot be {scan.amplitude[0]}", hint="give 0 or more")


def _usable_pixels(scan: "Simulation") -> Iterator[Problem]:
    if scan.detector.beam_stop_px >= scan.N / 2:
        message = f"hides patterns of {scan.N} px"
        yield Problem("detector.beam_stop_px", message, hint=f"give less than {scan.N // 2}")
    if scan.detector.bad_pixels >= scan.N**2 // 2:
        message = f"patterns of {scan.N} px would have more dead pixels than others"
        yield Problem("detector.bad_pixels", message, hint=f"give less than {scan.N**2 // 2}")


@config(constraints=(_room, _ranges, _usable_pixels))
class Simulation:
    """A simulated scan. All lengths are in pixels of the object unless their name says otherwise."""

    N: int = field(default=64, doc="side of a pattern", unit="px", check=at_least(16))
    side_px: int = field(default=200, doc="side of the object", unit="px", check=positive)
    object: DeadLeaves | Lines | GridLines | Noise | Polyhedra | Images | ObjectFile = field(
        default=DeadLeaves(), doc="structure of the object"
    )
    amplitude: tuple[float, float] = field(default=(0.6, 1.0), doc="lowest and highest modulus")
    phase_rad: tuple[float, float] = field(default=(0.0, 1.2), doc="lowest and highest phase", unit="rad")
    one_material: bool = field(default=False, doc="modulus and phase follow one structure")
    probe: Lens | Gaussian | ProbeFile = field(default=Lens(), doc="illumination")
    modes: int = field(default=1, doc="orthogonal incoherent modes, of a probe that is no file", check=between(1, 6))
    mode_power: float = field(default=0.35, doc="power of a mode over that of the one before", check=between(0, 1))
    guess: TrueProbe | Disk | Defocused = field(default=TrueProbe(), doc="probe that the file holds")
    positions: Raster | Spiral | Fermat | Random = field(default=Raster(), doc="path of the scan")
    step_px: float = field(default=6.0, doc="distance of neighbouring positions", unit="px", check=positive)
    jitter_px: float = field(default=1.5, doc="uniform jitter along each axis", unit="px", check=non_negative)
    margin_px: float = field(default=2.0, doc="from the outermost patches to the border", unit="px", check=at_least(1))
    detector: Detector = field(default=Detector(), doc="counting")
    errors: PositionErrors = field(default=PositionErrors(), doc="recorded positions")
    beamline: Beamline = field(default=Beamline(), doc="lengths in the laboratory")
    seed: int = field(default=0, doc="of object, positions and noise", check=non_negative)

    @property
    def least_side_px(self) -> int:
        """The smallest side of an object with room for the patterns."""
        return math.ceil(self.N + 2 * (self.margin_px + self.jitter_px) + 2)
