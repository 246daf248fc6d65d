"""Four-dimensional electron scans in EMD files: those of py4DSTEM (emdfile) and of ncempy (EMD 0.2).

The axes of the scan come first, slow before fast, then rows and columns of a frame. The pixel of the object is
`1 / (N dq)` with the step dq of a frame in 1/m, or `lambda / (N da)` with the step da in rad.
"""

from typing import Any

import attrs
import h5py
import numpy as np

from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.hdf5_rows import Hdf5Rows
from ptycho_torch.data.formats.reader import READERS, ScanFile
from ptycho_torch.data.formats.source import Source, text_of
from ptycho_torch.data.formats.views import Raster, crop, square_window
from ptycho_torch.data.geometry import electron_wavelength_m, on_pixels, raster_positions
from ptycho_torch.data.raw import RawScan, Stored, with_mask

_ARRAY = ("array", 1)
_LENGTHS = {"A": 1e-10, "Å": 1e-10, "Ang": 1e-10, "nm": 1e-9, "um": 1e-6, "m": 1.0}
_FREQUENCIES = {f"{name}{end}": 1 / size for name, size in _LENGTHS.items() for end in ("^-1", "^{-1}", "⁻¹")}
_FREQUENCIES |= {f"1/{name}": 1 / size for name, size in _LENGTHS.items()}
_ANGLES = {"mrad": 1e-3, "rad": 1.0}


class EmdReader:
    """Reads EMD files."""

    def recognise(self, file: ScanFile) -> bool:
        """Whether it says so, or holds an EMD array of four axes."""
        return file.hdf5 is not None and bool(_cubes(file.hdf5))

    def read(self, file: ScanFile) -> RawScan:
        """All but the patterns. Raises DataError."""
        return _read(Source(file.path, file.hdf5, file.opened))


READERS.add("EMD")(EmdReader())


def _cubes(file: h5py.File) -> list[str]:
    """The groups that hold an array of four axes."""
    found = []

    def visit(name: str, group: h5py.Group | h5py.Dataset) -> None:
        kind = group.attrs.get("emd_group_type") if isinstance(group, h5py.Group) else None
        # Version 0.2 writes the number 1; an array would have no truth value.
        if not isinstance(kind, np.ndarray) and kind in _ARRAY and getattr(group.get("data"), "ndim", 0) == 4:
            found.append(name)

    file.visititems(visit)
    return found


@attrs.frozen
class _Steps:
    """Steps (slow, fast) of the scan in m and (rows, columns) of a frame in 1/m, and the place of the first frame in
    m."""

    scan_m: tuple[float, float]
    frame_per_m: tuple[float, float]
    start_m: tuple[float, float] = (0.0, 0.0)


def _read(source: Source) -> RawScan:
    names = _cubes(source.file)
    if len(names) > 1:
        raise source.error(f"holds {len(names)} scans: {', '.join(names)}", "keep one of them in a file")
    place = names[0]
    known = _calibration(source, place)
    _refuse_rotation(source, known)
    cube = source.rows(f"{place}/data", ndim=(4,))
    patterns, remarks = _around_beam(source, cube, known)
    steps = _steps(source, place, cube.shape, known)
    side = patterns.shape[1:]
    pixels = [1 / (n * dq) for n, dq in zip(side, steps.frame_per_m, strict=True)]
    position, geometry = on_pixels(
        steps.start_m + raster_positions(cube.shape[0], cube.shape[1], steps.scan_m),
        (pixels[0], pixels[1]),
        (side[0], side[1]),
    )
    probe, probe_key, probe_pixel_m, more = source.probe()
    scan = RawScan(
        path=source.path,
        dialect="EMD",
        key=f"{place}/data",
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=(*more, *remarks),
    )
    return refuse_near_field(with_mask(scan, source.mask()))


def _calibration(source: Source, place: str) -> dict[str, Any]:
    """The calibration of py4DSTEM, of the array or of the group around it."""
    for group in (place, place.rpartition("/")[0]):
        name = f"{group}/metadatabundle/calibration".lstrip("/")
        found = source.file.get(name)
        if isinstance(found, h5py.Group):
            values = {key: source.array(f"{name}/{key}") for key in found if isinstance(found[key], h5py.Dataset)}
            return {key: value.item() for key, value in values.items() if value.size == 1}
    return {}


def _refuse_rotation(source: Source, known: dict[str, Any]) -> None:
    rotation, flip = known.get("QR_rotation", 0), known.get("QR_flip", False)
    turned = isinstance(rotation, float | int) and abs(rotation) > 1e-3
    if turned or flip in (True, 1):
        raise source.error(
            f"its frames are turned against the scan (QR_rotation {rotation} rad, QR_flip {flip})",
            "store them turned, with both removed",
        )


def _around_beam(source: Source, cube: Hdf5Rows, known: dict[str, Any]) -> tuple[Stored, tuple[str, ...]]:
    """The frames as a list, around the beam where the calibration says that it is elsewhere."""
    frames, (height, width) = Raster(cube), cube.shape[2:]
    y, x = known.get("qx0_mean"), known.get("qy0_mean")
    if not isinstance(y, float | int) or not isinstance(x, float | int) or not np.isfinite([y, x]).all():
        return frames, ()
    centre = (float(y), float(x))
    if height == width and all(abs(place - height // 2) < 1 for place in centre):
        return frames, ()
    try:
        window = square_window((height, width), centre)
    except ValueError as error:
        raise source.error(str(error), "correct qx0_mean and qy0_mean") from None
    side = window[0].stop - window[0].start
    return crop(frames, window), (
        f"of frames of {height} x {width} the {side} x {side} pixels around the beam are read",
    )


def _steps(source: Source, place: str, shape: tuple[int, ...], known: dict[str, Any]) -> _Steps:
    """From the calibration, or from the axes `dim0` to `dim3` (`dim1` to `dim4` in version 0.2)."""
    if "Q_pixel_size" in known and "R_pixel_size" in known:
        scan = _step(source, "R_pixel_size", known["R_pixel_size"], known.get("R_pixel_units"), known)
        frame = _step(source, "Q_pixel_size", known["Q_pixel_size"], known.get("Q_pixel_units"), known, inverse=True)
        return _Steps((scan, scan), (frame, frame))
    first = 0 if source.find(f"{place}/dim0") is not None else 1
    steps, starts = [], []
    for axis in range(4):
        key = f"{place}/dim{axis + first}"
        values = source.real(key).reshape(-1)
        if values.size < 2 and shape[axis] > 1:
            raise source.error(f"{key} must hold the places of {shape[axis]} pixels, it holds {values.size}")
        step = float(values[1] - values[0]) if values.size > 1 else 0.0
        steps.append(_step(source, key, step, source.dataset(key).attrs.get("units"), known, inverse=axis > 1))
        starts.append(float(values[0]) * steps[-1] / step)
    return _Steps((steps[0], steps[1]), (steps[2], steps[3]), (starts[0], starts[1]))


def _step(source: Source, key: str, value: Any, units: Any, known: dict[str, Any], *, inverse: bool = False) -> float:
    text = text_of(units).strip("[]").replace("_", "")
    if not isinstance(value, float | int) or not np.isfinite(value) or value <= 0:
        raise source.error(f"{key} must be a step above 0, got {value!r}")
    if inverse and text in _ANGLES:
        energy = known.get("beam_energy", known.get("accelerating_voltage"))
        if not isinstance(energy, float | int) or energy <= 0:
            raise source.error(f"{key} is in {text}, and no beam_energy in eV is given", "calibrate it in A^-1")
        return value * _ANGLES[text] / electron_wavelength_m(energy)
    table = _FREQUENCIES if inverse else _LENGTHS
    if text not in table:
        raise source.error(f"{key} has the units {text!r}", f"known are {', '.join(table)}")
    return float(value) * table[text]
