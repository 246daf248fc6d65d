"""Objects from the files in which they are kept."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.damage import damage_as_error
from ptycho_torch.data.formats.hdf5_rows import names_in, open_for_reading
from ptycho_torch.data.formats.hdf5_trial import check_survival
from ptycho_torch.data.formats.npz_archive import open_archive
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.geometry import array_centre
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.run_folder import check_result

_WANTED = "give a product.h5, a reconstruction.npz, an NPZ with objectGuess, or a complex .npy array"
_LENGTHS_ARE_PX = 1.0
_POSITIONS = ("probe_position_y_m", "probe_position_x_m")


@attrs.frozen(eq=False)
class PlacedObject:
    """A complex object, values `(H, W)`, the name of its file, and its place.

    origin_yx: the object pixel of element `[0, 0]`, counted from the point 0 m where pixel_m, the side
    of a pixel in m, is known; scan_origin_yx: the same in pixels of the scan; illumination `(H, W)`, in
    any unit. Each None where not known.
    """

    name: str
    values: NDArray[np.complexfloating]
    origin_yx: tuple[int, int] | None = None
    pixel_m: float | None = None
    illumination: NDArray[np.floating] | None = None
    scan_origin_yx: tuple[int, int] | None = None


def read_object(path: Path) -> PlacedObject:
    """The object in a file: product.h5, reconstruction.npz, an NPZ with objectGuess, or a complex .npy array,
    recognised by its content. Raises DataError for all other files and for damaged ones."""
    if not path.is_file():
        raise MissingFileError(str(path), "is a folder" if path.is_dir() else "no such file", _WANTED)
    check_result(path)
    with path.open("rb") as stream:
        start = stream.read(8)
    for signature, read in _READERS.items():
        if start.startswith(signature):
            return _check(path, read(path))
    raise DataError(str(path), f"starts with {start!r}: neither HDF5 nor NPZ nor NPY", _WANTED)


def _check(path: Path, found: PlacedObject) -> PlacedObject:
    values = found.values
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim != 2 or values.dtype.kind != "c":
        raise DataError(str(path), f"its object is {values.dtype} of shape {values.shape}, not complex (H, W)", _WANTED)
    if not np.isfinite(values).all():
        raise DataError(str(path), "its object holds NaN or infinite values", "reconstruct it again")
    if found.illumination is not None and found.illumination.shape != values.shape:
        raise DataError(str(path), f"illumination {found.illumination.shape} for object {values.shape}")
    return attrs.evolve(found, values=values)


def _read_npy(path: Path) -> PlacedObject:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(str(path), f"cannot be read: {error}", _WANTED) from None
    return PlacedObject(path.name, values)


def _read_npz(path: Path) -> PlacedObject:
    with open_archive(path) as archive:
        known = set(archive.arrays())
        scan = {"objectGuess", "origin_px", "probeGuess", "xcoords", "ycoords"}
        wanted = {"object", "origin_px", "illumination"} if "object" in known else scan
        arrays = {name: archive.array(name) for name in sorted(wanted & known)}
    if "object" in arrays:
        origin = tuple(np.ravel(arrays["origin_px"]).tolist()) if "origin_px" in arrays else None
        if origin is not None and len(origin) != 2:
            raise DataError(str(path), f"origin_px holds {len(origin)} numbers, not (y, x)")
        return PlacedObject(path.name, arrays["object"], origin, illumination=arrays.get("illumination"))
    if "objectGuess" in arrays:
        # Positions of a scan are pixels of its objectGuess, unless it says where that lies.
        y, x = np.round(np.ravel(arrays.get("origin_px", np.zeros(2)))[:2]).astype(int).tolist()
        return PlacedObject(path.name, arrays["objectGuess"], (y, x), illumination=_scan_illumination(arrays))
    raise DataError(str(path), f"has no object; it holds {', '.join(sorted(known)) or 'nothing'}", _WANTED)


def _read_product(path: Path) -> PlacedObject:
    """The ptychodus product; its lengths are pixels where it gives a pixel as 1 m."""
    check_survival(path, lambda: _read_open_product(path))
    with damage_as_error(path):
        return _read_open_product(path)


def _read_open_product(path: Path) -> PlacedObject:
    with ExitStack() as opened:
        product = Source(path, opened.enter_context(open_for_reading(path)), opened)
        stored = product.find("object")
        if stored is None:
            raise product.error(f"has no object; it holds {names_in(product.file)}", _WANTED)
        values = product.array("object")
        pixel_yx = _pair(product, "pixel_height_m", "pixel_width_m")
        centre_yx = _pair(product, "center_y_m", "center_x_m")
        if values.ndim < 2 or pixel_yx is None or centre_yx is None or (pixel_yx <= 0).any():
            return PlacedObject(path.name, values)
        probe = product.find("probe")
        side = probe.shape[-1] if probe is not None and probe.ndim else 0
        middle = [array_centre(length, side) for length in values.shape[-2:]]
        corner_yx = centre_yx / pixel_yx - middle
        y, x = np.round(corner_yx).astype(int).tolist()
        pixel_m = None if (pixel_yx == _LENGTHS_ARE_PX).all() else float(pixel_yx[1])
        illumination = _illumination(product, values.shape[-2:], corner_yx, pixel_yx)
        own = stored.attrs.get("origin_px")
        scan = None if own is None else (int(own[0]), int(own[1]))
        return PlacedObject(path.name, values, (y, x), pixel_m, illumination, scan)


def _pair(product: Source, *names: str) -> NDArray[np.float64] | None:
    known = product.dataset("object").attrs
    return np.array([product.attribute("object", name) for name in names]) if set(names) <= set(known) else None


def _illumination(
    product: Source, shape: tuple[int, ...], corner_yx: NDArray[np.float64], pixel_yx: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    if any(product.find(name) is None for name in ("probe", *_POSITIONS)):
        return None
    position = np.stack([product.real(name) for name in _POSITIONS], axis=1) / pixel_yx - corner_yx
    return illumination_of(product.array("probe"), position, shape)


def _scan_illumination(arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """That of a scan in NPZ on its object; None where it has no probe or no positions in there."""
    if not arrays.keys() >= {"probeGuess", "xcoords", "ycoords"}:
        return None
    probe, position = (
        arrays["probeGuess"],
        np.stack([np.ravel(arrays[name]) for name in ("ycoords", "xcoords")], axis=1),
    )
    found = illumination_of(probe, position, arrays["objectGuess"].shape[-2:])
    return found if found.any() else None


def illumination_of(
    probe: NDArray[Any], position_yx: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """`sum_j |P(r - r_j)|^2` on an array of this shape `(H, W)`, all modes of the probe `(..., N, N)`, to the nearest
    pixel of position_yx `(n, 2)`."""
    power = np.square(np.abs(probe)).reshape(-1, *probe.shape[-2:]).sum(axis=0)
    edges = [np.arange(size + 1) - 0.5 for size in shape]
    hits, _, _ = np.histogram2d(position_yx[:, 0], position_yx[:, 1], bins=edges)
    # The patch of position r starts at r - N // 2.
    # Half a second, which reading alone does not need.
    from scipy.signal import fftconvolve

    full = fftconvolve(hits, power)
    top, left = (side // 2 for side in power.shape)
    illumination: NDArray[np.float64] = full[top : top + shape[0], left : left + shape[1]].clip(0)
    return illumination


_READERS: dict[bytes, Callable[[Path], PlacedObject]] = {
    b"\x89HDF\r\n\x1a\n": _read_product,
    b"PK": _read_npz,
    b"\x93NUMPY": _read_npy,
}
