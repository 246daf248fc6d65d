"""Objects from the files in which they are kept."""

from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.npz import headers, read_arrays
from ptycho_torch.errors import DataError, MissingFileError

_HINT = "give a product.h5, a reconstruction.npz, a scan with objectGuess, or a complex .npy array"


@attrs.frozen(eq=False)
class StoredObject:
    """A complex object `(H, W)` and, where the file says, the object pixel of its element `[0, 0]`."""

    name: str
    object: NDArray[np.complex64]
    origin_yx: tuple[int, int] | None


def read_object(path: Path) -> StoredObject:
    """Read an object; what a file is, is decided by its content. Raises DataError."""
    if not path.is_file():
        raise MissingFileError(str(path), "no such file", _HINT)
    with path.open("rb") as stream:
        start = stream.read(8)
    if start == b"\x89HDF\r\n\x1a\n":
        found, origin = _from_product(path)
    elif start.startswith(b"PK"):
        found, origin = _from_npz(path)
    elif start.startswith(b"\x93NUMPY"):
        found, origin = np.load(path, allow_pickle=False), None
    else:
        raise DataError(str(path), "is neither HDF5 nor NPZ nor NPY", _HINT)
    found = found[0] if found.ndim == 3 and len(found) == 1 else found
    if found.ndim != 2 or found.dtype.kind != "c":
        raise DataError(str(path), f"its object is {found.dtype} of shape {found.shape}, not complex (H, W)")
    if not np.isfinite(found).all():
        raise DataError(str(path), "its object holds NaN or infinite values")
    return StoredObject(path.name, found.astype(np.complex64), origin)


def _from_npz(path: Path) -> tuple[NDArray[Any], tuple[int, int] | None]:
    known = headers(path)
    if "object" in known and "origin_px" in known:
        arrays = read_arrays(path, ["object", "origin_px"])
        y, x = arrays["origin_px"].tolist()
        return arrays["object"], (y, x)
    if "objectGuess" in known:
        # Positions of a scan are pixels of its objectGuess, so its first element is pixel (0, 0).
        return read_arrays(path, ["objectGuess"])["objectGuess"], (0, 0)
    raise DataError(str(path), f"has no object; it holds {', '.join(sorted(known)) or 'nothing'}", _HINT)


def _from_product(path: Path) -> tuple[NDArray[Any], tuple[int, int] | None]:
    """The object of a ptychodus product; its centre in metres over its pixel size places it."""
    try:
        with h5py.File(path) as product:
            stored = product.get("object")
            if not isinstance(stored, h5py.Dataset):
                raise DataError(
                    str(path), f"has no object; it holds {', '.join(product) or 'nothing'}", _HINT
                )
            origin = []
            for axis, size in (("y", "height"), ("x", "width")):
                centre, pixel = (stored.attrs.get(key) for key in (f"center_{axis}_m", f"pixel_{size}_m"))
                if centre is not None and pixel:
                    length = stored.shape[-2 if axis == "y" else -1]
                    origin.append(round(float(centre) / float(pixel) - length / 2))
            return stored[()], (origin[0], origin[1]) if len(origin) == 2 else None
    except OSError as error:
        raise DataError(str(path), f"is damaged: {error}", "copy it again") from None
