"""Scans in NPZ: the names and axis orders of the field."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.npz_archive import Archive, NpzArray
from ptycho_torch.data.formats.reader import READERS, ScanFile
from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.data.masks import NAMES, Mask, join_masks, read_mask, refuse_ambiguous
from ptycho_torch.data.raw import RawScan, mode_stack, own_output_error, positive_number, with_mask
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry

PATTERN_KEYS = ("diffraction", "diff3d")
LABEL_KEYS = ("label", "Y")
# The arrays of `reconstruction.npz`.
_OUTPUT = {"object", "origin_px", "illumination"}
_ENERGIES = ("photon_energy_eV", "probe_energy_ev")


def is_legacy_order(shape: tuple[int, ...], n_positions: int) -> bool:
    """Whether a pattern array of that three-dimensional shape is (H, W, n) and not (n, H, W).

    The square pair of axes decides; where both or neither is square, the axis that matches
    n_positions; then the axis shorter than it; then the larger last axis.
    """
    first, second, third = shape
    for canonical, legacy in (
        (second == third, first == second),
        (first == n_positions, third == n_positions),
        (first < n_positions, third < n_positions),
    ):
        if canonical != legacy:
            return legacy
    return third > max(first, second)


class NpzReader:
    """Reads NPZ archives."""

    def recognise(self, file: ScanFile) -> bool:
        """Whether it is an archive at all: one without a scan is reported by what is missing."""
        return file.npz is not None

    def read(self, file: ScanFile) -> RawScan:
        """All but the patterns. Raises DataError."""
        assert file.npz is not None
        return _read(file.npz)


READERS.add("npz")(NpzReader())


def _read(archive: Archive) -> RawScan:
    found, path = archive.arrays(), archive.path
    key = next((name for name in PATTERN_KEYS if name in found), None)
    names = _coordinates(path, found)
    if key is None and set(found) == _OUTPUT:
        raise own_output_error(path)
    if key is None or names is None:
        missing = [name for name in ("xcoords", "ycoords") if name not in found]
        wanted = [*missing, *(["diffraction (or diff3d)"] if key is None else [])]
        raise DataError(str(path), f"has no {', '.join(wanted)}", f"it holds {', '.join(sorted(found)) or 'nothing'}")
    shape, n_positions = found[key].shape, found[names[0]].shape[0]
    if len(shape) != 3:
        raise DataError(str(path), f"{key} must be three-dimensional (n, N, N), its shape is {shape}")
    last = is_legacy_order(shape, n_positions)
    count = shape[2] if last else shape[0]
    remarks: tuple[str, ...] = ()
    if n_positions > count:
        remarks = (f"{n_positions} positions for {count} patterns, the trailing {n_positions - count} not used",)
    probe = None
    if "probeGuess" in found:
        probe, more = mode_stack(path, "probeGuess", archive.array("probeGuess"))
        remarks += more
    label_key = next((name for name in LABEL_KEYS if name in found), None)
    scan = RawScan(
        path=path,
        dialect="NPZ",
        key=key,
        patterns=found[key],
        position_yx=_positions(archive, names)[:count],
        origin_known=False,
        probe=probe,
        probe_key="probeGuess",
        patterns_last=last,
        geometry=_geometry(archive, found, shape[0] if last else shape[1]),
        nphotons=_photons(archive),
        object=found.get("objectGuess"),
        object_key="objectGuess",
        label=None if label_key is None else found[label_key],
        label_key=label_key or "",
        remarks=remarks,
    )
    return with_mask(scan, _mask(archive, found, frames_last=last))


def _mask(archive: Archive, found: dict[str, NpzArray], *, frames_last: bool) -> Mask | None:
    """All masks of the archive together."""
    path, names = archive.path, [name for name in NAMES if name in found]
    if not names:
        refuse_ambiguous(path, found)
    return join_masks(path, (read_mask(path, name, archive.array(name), frames_last=frames_last) for name in names))


def _coordinates(path: Path, found: dict[str, NpzArray]) -> tuple[str, str] | None:
    """The names of (y, x), all one-dimensional and of one length; files of SLAC have only `_start`."""
    for name in ("xcoords", "ycoords", "xcoords_start", "ycoords_start"):
        if name in found and len(found[name].shape) != 1:
            raise DataError(str(path), f"{name} must be one-dimensional, its shape is {found[name].shape}")
    pairs = [(f"ycoords{end}", f"xcoords{end}") for end in ("", "_start")]
    pairs = [pair for pair in pairs if pair[0] in found and pair[1] in found]
    lengths = {name: found[name].shape[0] for pair in pairs for name in pair}
    if len(set(lengths.values())) > 1:
        counts = " but ".join(f"{lengths[name]} {name}" for name in sorted(lengths, key=lambda n: (n[1:], n)))
        raise DataError(str(path), counts)
    return pairs[0] if pairs else None


def _positions(archive: Archive, names: tuple[str, str]) -> NDArray[np.float64]:
    rows, columns = (archive.array(name) for name in names)
    if rows.dtype.kind not in "uif" or columns.dtype.kind not in "uif":
        raise DataError(str(archive.path), f"xcoords or ycoords must be real, not {columns.dtype}, {rows.dtype}")
    return np.stack([rows, columns], axis=1).astype(np.float64)


def _geometry(archive: Archive, found: dict[str, NpzArray], side: int) -> Geometry | None:
    """`dx = lambda z / (N p)` where the file states energy, distance and detector pixel; None elsewhere."""
    energy = next((name for name in _ENERGIES if name in found), None)
    if energy is None or not {"detector_distance_m", "detector_pixel_size_m"} <= set(found):
        return None
    names = (energy, "detector_distance_m", "detector_pixel_size_m")
    ev, distance, detector = (positive_number(archive.path, name, archive.array(name)) for name in names)
    pixel = object_pixel_m(ev * ELECTRONVOLT, distance, detector, side)
    return Geometry((pixel, pixel), (0.0, 0.0), ev, distance, (detector, detector))


def _photons(archive: Archive) -> float | None:
    physics = archive.metadata().get("physics_parameters", {})
    value = physics.get("nphotons") if isinstance(physics, dict) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        message = f"_metadata physics_parameters.nphotons must be a number above 0, got {value!r}"
        raise DataError(str(archive.path), message)
    return float(value)
