"""NXcxi_ptycho, the NeXus definition that extends CXI: lengths and energies with units, raster scans.

Here `source_1/energy` is that of the storage ring; the photons are in `beam_1`.
"""

from ptycho_torch.data.formats.cxi import (
    BEAM,
    DETECTOR,
    PATTERNS,
    SOURCE,
    TRANSLATIONS,
    directions,
    first_of,
    probe_position,
    refuse_near_field,
    unflagged_pixels,
)
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.hdf5_rows import Hdf5Rows, Raster
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.geometry import far_field
from ptycho_torch.data.raw import RawScan, Stored

_ENERGIES = (f"{BEAM}/energy", f"{BEAM}/incident_beam_energy")
_MASKS = (f"{DETECTOR}/mask", f"{DETECTOR}/pixel_mask")


@hdf5_layout("nexus", BEAM)
def read_nexus(source: Source) -> RawScan:
    """Patterns as a list of frames, whether they are stored so or as a raster."""
    key, patterns = _patterns(source)
    translation = source.lengths(first_of(source, TRANSLATIONS))
    position = probe_position(translation, directions(source), source)
    pixels, geometry = far_field(
        position,
        energy_j=source.energy(first_of(source, _ENERGIES)),
        distance_m=source.length(f"{DETECTOR}/distance"),
        detector_pixel_m=(source.length(f"{DETECTOR}/y_pixel_size"), source.length(f"{DETECTOR}/x_pixel_size")),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, remarks = source.probe(f"{SOURCE}/illumination")
    mask = next((name for name in _MASKS if source.find(name) is not None), None)
    return refuse_near_field(
        RawScan(
            path=source.path,
            dialect="NeXus NXcxi_ptycho",
            key=key,
            patterns=patterns,
            position_yx=pixels,
            probe=probe,
            probe_key=probe_key,
            valid_pixels=None if mask is None else unflagged_pixels(source, mask),
            zero_invalid=True,
            geometry=geometry,
            remarks=remarks,
        )
    )


def _patterns(source: Source) -> tuple[str, Stored]:
    """The view of CXI, a list of frames, if the file has it; otherwise what the detector holds."""
    key = first_of(source, PATTERNS)
    found: Hdf5Rows = source.rows(key, ndim=(3, 4))
    return key, (Raster(found) if len(found.shape) == 4 else found)
