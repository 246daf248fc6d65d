"""NXcxi_ptycho, the NeXus definition that extends CXI: lengths and energies with units, raster scans.

Here `source_1/energy` is that of the storage ring; the photons are in `beam_1`.
"""

from ptycho_torch.data.formats.cxi import BEAM, DETECTOR, PATTERNS, TRANSLATIONS, first_of, scan_of_entry
from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.formats.views import as_list
from ptycho_torch.data.raw import RawScan

_ENERGIES = (f"{BEAM}/energy", f"{BEAM}/incident_beam_energy")


@hdf5_layout("nexus", BEAM)
def read_nexus(source: Source) -> RawScan:
    """Patterns as a list of frames, whether they are stored so or as a raster."""
    key = first_of(source, PATTERNS)
    stored = source.rows(key, ndim=(3, 4))
    return scan_of_entry(
        source,
        "NeXus NXcxi_ptycho",
        key,
        as_list(stored),
        source.lengths(first_of(source, TRANSLATIONS)),
        energy_j=source.energy(first_of(source, _ENERGIES)),
        length=source.length,
        masks=(f"{DETECTOR}/mask", f"{DETECTOR}/pixel_mask"),
    )
