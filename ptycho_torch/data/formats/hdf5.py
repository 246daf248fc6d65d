"""Scans in HDF5. What a file is, is decided by what it holds."""

from collections.abc import Callable
from pathlib import Path

import h5py

from ptycho_torch.data.formats.cxi import cxi
from ptycho_torch.data.formats.hdf5_rows import open_for_reading
from ptycho_torch.data.formats.nexus import is_nexus, nexus
from ptycho_torch.data.formats.ptychodus import diffraction, product, training_data
from ptycho_torch.data.formats.ptyd import ptyd
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError

MAGIC = b"\x89HDF\r\n\x1a\n"


def _entry(path: Path, file: h5py.File) -> RawScan:
    return nexus(path, file) if is_nexus(file) else cxi(path, file)


# The first key that a file has decides.
_DIALECTS: dict[str, Callable[[Path, h5py.File], RawScan]] = {
    "probe_position_x_px": training_data,
    "probe_position_x_m": product,
    "patterns": diffraction,
    "dp": diffraction,
    "chunks": ptyd,
    "entry_1": _entry,
}


def is_hdf5(path: Path) -> bool:
    """Whether the file starts as HDF5 does."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def open_hdf5(path: Path) -> RawScan:
    """Recognise the file and read everything but the patterns. Raises DataError."""
    with open_for_reading(path) as file:
        read = next((read for key, read in _DIALECTS.items() if key in file), None)
        if read is not None:
            return read(path, file)
        raise DataError(
            str(path),
            f"is no scan that is known here; it holds {', '.join(sorted(file)) or 'nothing'}",
            "a ptychodus product with diffraction, ptychodus training data, CXI, NXcxi_ptycho, ptyd, or "
            "a pair of _dp and _para files",
        )
