"""ptychodus 1.7 (`api/io.py`: names, units, axes): product with diffraction, and training data; and the
pair `*_dp.hdf5`, `*_para.hdf5` of pty-chi, whose second file is a product.

Training data state the centre of the object in m, and the pixel of the detector, only where this package wrote them.
"""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.hdf5 import hdf5_layout
from ptycho_torch.data.formats.hdf5_rows import Hdf5Rows
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.geometry import array_centre
from ptycho_torch.data.raw import RawScan, own_output_error, with_mask
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.records import Geometry

PRODUCT, DIFFRACTION = "product.h5", "diffraction.h5"
# The ends of the names of two files of one scan: that with positions and probe, and that with patterns.
_ENDS = (("product", "diffraction"), ("_para", "_dp"))
# Written for the side of a pixel where a product counts lengths in pixels.
_LENGTHS_ARE_PX = 1.0
# An attribute of the object that only products of this package have.
_OUR_MARK = "origin_px"
_AXES = (("y", "height"), ("x", "width"))


def patterns_of(path: Path) -> Path:
    """The file with the patterns of a product: `a_diffraction.h5` of `a_product.h5`, `a_dp.hdf5` of `a_para.hdf5`, and
    `diffraction.h5` of any other."""
    ends = [(positions, patterns) for positions, patterns in _ENDS if path.stem.endswith(positions)]
    return _partner(path, ends) or path.with_name(DIFFRACTION)


def holds_positions(path: Path) -> bool:
    """Whether a name is that of the file of a pair that has no patterns."""
    return any(path.stem.endswith(positions) for positions, _ in _ENDS)


def _product_of(path: Path) -> Path:
    """The file with the positions of patterns, the other way round."""
    ends = [(patterns, positions) for positions, patterns in _ENDS if path.stem.endswith(patterns)]
    return _partner(path, ends) or path.with_name(PRODUCT)


def _partner(path: Path, ends: list[tuple[str, str]]) -> Path | None:
    return next((path.with_name(path.stem.removesuffix(old) + new + path.suffix) for old, new in ends), None)


@hdf5_layout("ptychodus training data", "probe_position_x_px")
def read_training_data(source: Source) -> RawScan:
    """Positions are offsets from the centre of the object, in object pixels."""
    patterns = source.rows("patterns")
    object_ = source.stored("object")
    middle = _middle(source, object_.shape, patterns)
    offsets = [source.real(f"probe_position_{axis}_px") for axis, _ in _AXES]
    position = _pairs(source, *(offset + m for offset, m in zip(offsets, middle, strict=True)))
    probe, probe_key, probe_pixel_m, remarks = source.probe()
    pixel = [source.known(f"object_pixel_{size}_m") for _, size in _AXES]
    centre = [_centre(source, axis, 0.0) for axis, _ in _AXES]
    scan = RawScan(
        path=source.path,
        dialect="ptychodus training data",
        key="patterns",
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=_with_detector(_geometry(source, pixel, centre, middle), source, patterns),
        object=object_,
        remarks=remarks,
    )
    return with_mask(scan, source.mask())


@hdf5_layout("ptychodus product", "probe_position_x_m")
def read_product(source: Source) -> RawScan:
    """A product; its patterns are in the other file of the pair."""
    other = patterns_of(source.path)
    if not other.is_file():
        stored = source.find("object")
        if stored is not None and _OUR_MARK in stored.attrs:
            raise own_output_error(source.path, f", or put its patterns, {other.name}, next to it")
        raise MissingFileError(str(other), f"the patterns of {source.path.name} are not there", "put it next to it")
    return _pair(source, source.open_partner(other))


@hdf5_layout("ptychodus diffraction", "patterns")
@hdf5_layout("pty-chi patterns", "dp")
def read_diffraction(source: Source) -> RawScan:
    """Patterns; their positions and probe are in the other file of the pair."""
    other = _product_of(source.path)
    if not other.is_file():
        raise MissingFileError(
            str(other), f"positions and probe of {source.path.name} are not there", "put it next to it"
        )
    return _pair(source.open_partner(other), source)


def _pair(found: Source, other: Source) -> RawScan:
    pty_chi = other.find("dp") is not None
    rows, key = None, "dp" if pty_chi else "patterns"
    patterns = other.rows(key)
    position, geometry = _place_positions(found, patterns, centred=pty_chi)
    if not pty_chi:
        position, rows = _match_positions(found, other, position, patterns.shape[0])
    probe, probe_key, probe_pixel_m, remarks = found.probe()
    scan = RawScan(
        path=found.path,
        dialect="pty-chi patterns and parameters" if pty_chi else "ptychodus product and diffraction",
        key=key,
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        rows=rows,
        geometry=_with_detector(geometry, other, patterns),
        object=found.stored("object"),
        remarks=remarks,
        refusal=_near_field(found),
    )
    return with_mask(scan, other.mask())


def _middle(source: Source, shape: tuple[int, ...], patterns: Hdf5Rows) -> list[float]:
    """The position (y, x) in pixels of the middle of the object in the file."""
    if len(shape) not in (2, 3) or 0 in shape:
        raise source.error(f"object must be (H, W) or (layers, H, W), its shape is {shape}")
    return [array_centre(length, patterns.shape[-1]) for length in shape[-2:]]


def _place_positions(
    found: Source, patterns: Hdf5Rows, *, centred: bool
) -> tuple[NDArray[np.float64], Geometry | None]:
    """Positions in pixels of the object in the file. Where it states no centre, that of pty-chi, 0 m, if `centred`."""
    stored = found.find("object")
    if stored is None:
        raise found.error("has no object, whose pixel size and centre place the positions")
    middle, columns, pixels, centres = _middle(found, stored.shape, patterns), [], [], []
    for (axis, size), middle_px in zip(_AXES, middle, strict=True):
        metres = found.real(f"probe_position_{axis}_m")
        pixel = found.attribute("object", f"pixel_{size}_m")
        if pixel <= 0:
            raise found.error(f"object has pixel_{size}_m {pixel}, it must be above 0")
        centre = _centre(found, axis, 0.0 if centred else None)
        columns.append((metres - centre) / pixel + middle_px)
        pixels.append(pixel)
        centres.append(centre)
    in_metres: list[float | None] = [None if pixels == [_LENGTHS_ARE_PX] * 2 else pixel for pixel in pixels]
    return _pairs(found, *columns), _geometry(found, in_metres, centres, middle)


def _centre(source: Source, axis: str, otherwise: float | None) -> float:
    """The place in m of the middle of the object along an axis; `otherwise` where the file does not state it, which is
    an error for None."""
    stored, name = source.find("object"), f"center_{axis}_m"
    stated = stored is not None and name in stored.attrs
    return otherwise if otherwise is not None and not stated else source.attribute("object", name)


def _match_positions(
    found: Source, other: Source, position: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The positions that have one of count patterns, in the order of the patterns, and the rows of those."""
    wanted, stored = _indexes(found, "probe_position_indexes"), _indexes(other, "indexes")
    if len(wanted) != len(position):
        raise found.error(f"{len(wanted)} probe_position_indexes for {len(position)} positions")
    if len(stored) != count:
        raise other.error(f"{len(stored)} indexes for {count} patterns")
    common, rows, places = np.intersect1d(stored, wanted, return_indices=True)
    if len(common) == 0:
        raise other.error(f"none of its pattern indexes is a position index of {found.path.name}")
    order = np.argsort(rows)
    return position[places[order]], rows[order]


def _indexes(source: Source, key: str) -> NDArray[np.int64]:
    found = source.array(key)
    if found.ndim != 1 or found.dtype.kind not in "ui":
        raise source.error(f"{key} must be a list of whole numbers, got {found.dtype} of the shape {found.shape}")
    return found.astype(np.int64)


def _geometry(
    source: Source, pixel: list[float | None], centre: list[float], middle_px: list[float]
) -> Geometry | None:
    """From the pixels (y, x) of an object whose middle, at position `middle_px`, lies at `centre`; None
    where one is not known."""
    height, width = pixel
    if height is None or width is None:
        return None
    energy = source.known("photon_energy_eV") or source.known("probe_energy_eV")
    return Geometry(
        pixel_m=(height, width),
        origin_m=(centre[0] - middle_px[0] * height, centre[1] - middle_px[1] * width),
        photon_energy_ev=energy,
        distance_m=source.known("detector_object_distance_m"),
    )


def _with_detector(geometry: Geometry | None, other: Source, patterns: Hdf5Rows) -> Geometry | None:
    attributes = other.dataset(patterns.key).attrs
    if geometry is None or not all(f"detector_pixel_{size}_m" in attributes for _, size in _AXES):
        return geometry
    sizes = [other.attribute(patterns.key, f"detector_pixel_{size}_m") for _, size in _AXES]
    if min(sizes) <= 0:
        return geometry
    return attrs.evolve(geometry, detector_pixel_m=(float(sizes[0]), float(sizes[1])))


def _near_field(found: Source) -> DataError | None:
    if np.asarray(found.file.attrs.get("far_field", True)).all():
        return None
    return found.error("says that it is of the near field (far_field is false)", "only the far field is modelled")


def _pairs(source: Source, y: NDArray[Any], x: NDArray[Any]) -> NDArray[np.float64]:
    if y.ndim != 1 or y.shape != x.shape:
        raise source.error(f"positions must be two lists of one length, got {y.shape} and {x.shape}")
    return np.stack([y, x], axis=1).astype(np.float64)
