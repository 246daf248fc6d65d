"""The beamline of a scan, and a probe from its optics."""

import attrs
import numpy as np

from ptycho_torch.data.geometry import ELECTRONVOLT, PLANCK_TIMES_LIGHT, object_pixel_m
from ptycho_torch.prepare.options import Beamline, Optics
from ptycho_torch.prepare.scan import Complex, Prepared, rescale
from ptycho_torch.records import Geometry
from ptycho_torch.simulation.probes import lens_probe

# The share of a probe that may lie in the outermost eighth of its field.
_MOST_OUTSIDE = 0.02


def state_beamline(scan: Prepared, line: Beamline) -> Prepared:
    """The scan with the pixel of the object that the lengths of a line give, `lambda z / (N p)`. Positions that were in
    metres stay there; those of a file without are taken as pixels."""
    energy, distance, detector = line.energy_ev * ELECTRONVOLT, line.distance_m, line.detector_pixel_m
    y, x = (object_pixel_m(energy, distance, detector, side) for side in scan.frame)
    made = scan
    if scan.geometry is not None:
        before = scan.geometry.pixel_m
        made = rescale(scan, (y / before[0], x / before[1]))
    origin = (0.0, 0.0) if made.geometry is None else made.geometry.origin_m
    made = attrs.evolve(made, geometry=Geometry((y, x), origin, line.energy_ev, distance, (detector, detector)))
    return made.note(f"{line.energy_ev:g} eV, {distance:g} m and {detector:g} m give object pixels of {x:.4g} m")


def build_probe(scan: Prepared, optics: Optics) -> Prepared:
    """The scan with the probe of these optics, and the energy of a mean pattern.

    `P = F^-1[A(q) exp(-i pi lambda z q^2)]`, z the way from the focus to the sample; the aperture A ends at
    `q0 = 1 / (2 dr)` for a zone plate with outermost zones dr, at `D / (2 f lambda)` for a lens. Raises DataError where
    the file states no energy, or the numbers cannot be meant.
    """
    geometry, (height, width) = scan.geometry, scan.frame
    if geometry is None or geometry.photon_energy_ev is None:
        raise scan.error("states no photon energy, which a probe is built from", "take the step beamline before")
    if height != width:
        raise scan.error(f"its patterns have {height} x {width} px, a probe is square", "crop them before")
    wavelength = PLANCK_TIMES_LIGHT / (geometry.photon_energy_ev * ELECTRONVOLT)
    edge = aperture_edge(optics, wavelength)
    pixel = geometry.pixel_m[1]
    if not np.allclose(geometry.pixel_m, pixel, rtol=0.01):
        raise scan.error(f"has object pixels of {geometry.pixel_m} m, which are not square")
    pupil = 2 * edge * pixel
    if not 4 / width <= pupil <= 1:
        reach = f"its patterns reach from {1 / (width * pixel):.3g} to {1 / (2 * pixel):.3g} 1/m"
        message = f"{reach}, the aperture ends at {edge:.3g} 1/m"
        raise scan.error(message, "check diameter, outer zone or focal length, energy, distance and detector pixel")
    phase = -np.pi * wavelength * optics.defocus_m * edge**2
    probe = lens_probe(width, pupil, optics.stop_m / (optics.diameter_m * optics.coherent), phase)
    _refuse_large(scan, probe, optics, pixel)
    energy = np.sqrt(scan.mean_pattern().sum())
    note = f"built for frequencies up to {edge:.4g} 1/m, {optics.defocus_m:g} m behind the focus"
    return attach_probe(scan, probe * energy, note)


def aperture_edge(optics: Optics, wavelength: float) -> float:
    """The spatial frequency in 1/m at the edge of the coherent aperture of the optics, for a wavelength in m."""
    if optics.outer_zone_m is not None:
        return optics.coherent / (2 * optics.outer_zone_m)
    assert optics.focal_m is not None
    return optics.coherent * optics.diameter_m / (2 * optics.focal_m * wavelength)


def _refuse_large(scan: Prepared, probe: Complex, optics: Optics, pixel: float) -> None:
    side = probe.shape[-1]
    border = side // 16
    inside = float(np.square(np.abs(probe[:, border:-border, border:-border])).sum())
    if 1 - inside > _MOST_OUTSIDE:
        field = f"the {side * pixel:.3g} m that a pattern sees"
        message = f"the beam {optics.defocus_m:g} m behind the focus is wider than {field}"
        raise scan.error(message, "check defocus_m; patterns on more and smaller pixels see more")


def attach_probe(scan: Prepared, probe: Complex, source: str) -> Prepared:
    """The scan with a probe `(P, N, N)` in the square root of counts, which came from source. Raises DataError for
    another size."""
    if probe.shape[-2:] != scan.frame:
        raise scan.error(f"the probe {source} has {probe.shape[-2:]} px, patterns have {scan.frame}")
    return attrs.evolve(scan, probe=np.asarray(probe, np.complex64)).note(f"probe of {len(probe)} modes {source}")
