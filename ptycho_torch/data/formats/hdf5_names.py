"""HDF5 with the names of PtychoPINN's NPZ at its top; axes are those of NPZ, patterns `(n, N, N)`."""

from typing import Any

import h5py

from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.npz import LABEL_KEYS, PATTERN_KEYS, NamedArrays, read_names
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.raw import RawScan


@hdf5_layout("HDF5 with the names of NPZ", "xcoords")
def read_hdf5_names(source: Source) -> RawScan:
    """As an NPZ of the same arrays, but that patterns stay in the file. Raises DataError."""
    found: dict[str, Any] = {}
    for name in source.file:
        stored = source.file.get(name)
        # Of texts only `axes` says something; MATLAB's files, with the axes the other way round, have their own reader.
        if not isinstance(stored, h5py.Dataset) or stored.dtype.kind not in "uifcb":
            continue
        if "MATLAB_class" in stored.attrs:
            raise source.error("is of MATLAB 7.3 without its first bytes", "save it again, with the ending .mat")
        large = name in (*PATTERN_KEYS, *LABEL_KEYS) and stored.ndim == 3
        found[name] = source.rows(name) if large else stored
    scan = read_names(NamedArrays(source.path, found, source.array), "HDF5 with the names of NPZ", None)
    if scan.patterns_last or len(scan.patterns.shape) != 3 or scan.key not in found or source.find("axes") is not None:
        raise source.error(f"{scan.key} must be (n, N, N), without axes", "store it so, or as NPZ")
    return scan
