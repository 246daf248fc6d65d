"""MATLAB files with the names of PtychoPINN or of PtyLab: version 5 to 7 through scipy, version 7.3 through h5py.

MATLAB counts axes the other way round in version 7.3, and has no list of one axis.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.damage import damage_error
from ptycho_torch.data.formats.matlab_elements import MOST_COMPRESSION, check_elements
from ptycho_torch.data.formats.npz import NamedArrays, read_names
from ptycho_torch.data.formats.ptylab_scan import PTYCHOGRAM, ArraySource, read_arrays
from ptycho_torch.data.formats.reader import MATLAB_73, READERS, ScanFile
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError

_VERSION_5 = b"MATLAB 5.0 MAT-file"

_NOT_READ = ("function_handle", "cell", "struct", "object", "opaque", "sparse")


class MatlabReader:
    """Reads MATLAB files."""

    def recognise(self, file: ScanFile) -> bool:
        """Whether its first bytes are those of a MATLAB file."""
        return file.head.startswith((_VERSION_5, MATLAB_73))

    def read(self, file: ScanFile) -> RawScan:
        """All of the scan, its patterns too. Raises DataError."""
        found = version_5(file.path) if file.hdf5 is None else _version_73(Source(file.path, file.hdf5, file.opened))
        if not found:
            hint = "save the fields of a struct s as variables: save(name, '-struct', 's')"
            raise DataError(str(file.path), "holds no array of numbers at its top", hint)
        if PTYCHOGRAM in found:
            return read_arrays(ArraySource(file.path, found))
        lists = {name: _as_list(name, array) for name, array in found.items()}
        return read_names(NamedArrays(file.path, lists, lists.__getitem__), "MATLAB", None)


READERS.add("MATLAB")(MatlabReader())


def _as_list(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """A list of coordinates, which MATLAB stores as a row or a column."""
    is_list = name.startswith(("xcoords", "ycoords")) and 1 in array.shape
    return array.reshape(-1) if is_list else array


def version_5(path: Path) -> Mapping[str, NDArray[Any]]:
    """The arrays of numbers of a file of version 5 to 7 at path, by name. Raises DataError."""
    from scipy.io import loadmat, whosmat
    from scipy.io.matlab import MatReadError

    check_elements(path)
    try:
        declared = {name: shape for name, shape, kind in whosmat(path) if kind not in _NOT_READ}
        if sum(map(math.prod, declared.values())) > path.stat().st_size * MOST_COMPRESSION:
            raise DataError(str(path), "declares more values than it can hold", "copy it again")
        return {
            name: np.asarray(array)
            for name, array in loadmat(path, variable_names=list(declared)).items()
            if name in declared
        }
    except (MatReadError, TypeError, NameError) as error:
        raise damage_error(path, error) from None


def _version_73(source: Source) -> Mapping[str, NDArray[Any]]:
    names = [name for name in source.file if isinstance(source.file.get(name), h5py.Dataset)]
    return {name: _complex(source.array(name)).T for name in names}


def _complex(array: NDArray[Any]) -> NDArray[Any]:
    """MATLAB stores complex numbers as pairs."""
    if array.dtype.names == ("real", "imag"):
        made: NDArray[Any] = array["real"] + 1j * array["imag"]
        return made
    return array
