"""The probe that ptychodus makes by default, a disk, is enough for its users."""

from dataclasses import replace
from pathlib import Path

import attrs
import numpy as np
import pytest
from ptychodus.api.geometry import PixelGeometry
from ptychodus.api.probe import ProbeGeometry, ProbeGeometryProvider, ProbeSequence
from ptychodus.api.settings import SettingsRegistry
from ptychodus.model.product.probe.disk import DiskProbeBuilder
from ptychodus.model.product.probe.settings import ProbeSettings

from tests.compat.ptychodus.client import judged, reconstruct_here, train_here
from tests.compat.ptychodus.scans import PIXEL, Known, known_scan


@attrs.frozen
class Beam(ProbeGeometryProvider):
    """The geometry that the client has of a scan with patterns of side px and so many photons in one."""

    side: int
    photons: float
    pixel: PixelGeometry = PIXEL
    detector_distance_m: float = 1.0
    far_field: bool = True
    photon_wavelength_m: float = 1.24e-10
    probe_power_W: float = 0.0
    num_scan_points: int = 0

    @property
    def probe_photon_count(self) -> float:
        """Of a pattern."""
        return self.photons

    def get_detector_pixel_geometry(self) -> PixelGeometry:
        """Of 75 um."""
        return PixelGeometry(width_m=75e-6, height_m=75e-6)

    def get_probe_geometry(self) -> ProbeGeometry:
        """The pixels of the object."""
        return ProbeGeometry(self.side, self.side, self.pixel.width_m, self.pixel.height_m)


def _default_probe(scan: Known, pixel: PixelGeometry) -> ProbeSequence:
    """The disk of 1 um that the client's settings ask for."""
    patterns = scan.given.diffraction_patterns
    beam = Beam(patterns.shape[-1], float(patterns.sum(axis=(1, 2)).mean()), pixel)
    builder = DiskProbeBuilder(np.random.default_rng(0), ProbeSettings(SettingsRegistry()))
    return builder.build(beam)


@pytest.mark.slow
@pytest.mark.parametrize("pixel_nm", [(40.0, 40.0), (10.0, 20.0)])
def test_the_default_disk_is_enough(pixel_nm: tuple[float, float], tmp_path: Path) -> None:
    """Of 25 px across, or so large that it fills most of the frame: a training with it learns little, but the
    reconstruction finds the probe, and the object does not depend on the network."""
    scan = known_scan(12, 12, photons=1e6)
    pixel = PixelGeometry(width_m=pixel_nm[0] * 1e-9, height_m=pixel_nm[1] * 1e-9)
    guess = ProbeSequence(_default_probe(scan, pixel).get_array(), None, PIXEL)
    given = replace(scan.given, product=replace(scan.given.product, probes=guess))
    guessed = attrs.evolve(scan, given=given)
    made = reconstruct_here(train_here(tmp_path, guessed, epochs=1).model, guessed)
    assert judged(made, scan, 8.0)[0] > 0.95
