"""Scan files to datasets: the contract of the data, checked before anything is computed."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import DatasetFacts
from ptycho_torch.data.formats.hdf5 import is_hdf5, open_hdf5
from ptycho_torch.data.formats.hdf5_rows import open_for_reading
from ptycho_torch.data.formats.npz import NpzPatterns, open_npz
from ptycho_torch.data.formats.npz_archive import read_arrays
from ptycho_torch.data.formats.ptychodus import holds_positions, partner_of
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.geometry import array_centre, effective_diameter, nearest_step
from ptycho_torch.data.patterns import IN_MEMORY_BYTES, StoredPatterns, chunks
from ptycho_torch.data.raw import RawScan, check_scan
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.records import Dataset

MIN_SPAN_PX, MAX_SPAN_PX = 1e-2, 2**16
Domain = Literal["count_intensity", "normalized_amplitude"]
Origin = Literal["corner", "centre"]


def open_scan(path: Path) -> RawScan:
    """What a file holds, whatever its format, patterns excepted. Its content, not its name, says what it
    is. Raises DataError."""
    if path.is_dir():
        raise DataError(str(path), "is a folder, one scan file is needed", "give one of the files in it")
    return open_hdf5(path) if is_hdf5(path) else open_npz(path)


def inspect_dataset(path: Path) -> DatasetFacts:
    """What a scan file says about itself; no pattern is read. Raises DataError."""
    scan = check_scan(open_scan(path))
    assert scan.probe is not None
    return DatasetFacts(
        name=path.name,
        n_patterns=scan.count,
        n_pixels=scan.frame[0],
        probe_modes=len(scan.probe),
        nphotons=scan.nphotons,
    )


SUFFIXES = (".npz", ".h5", ".hdf5", ".cxi", ".nxs", ".ptyd")


def scan_files(path: Path) -> list[Path]:
    """The scan files that a path means: itself, in a folder all of them by name, or all that match a
    name with `*`. A product and its patterns, in two files, are one scan. Raises DataError where there
    is none."""
    if "*" in path.name and not path.exists():
        matching = sorted(path.parent.glob(path.name))
        if not matching:
            raise MissingFileError(str(path), "no file has such a name")
        return matching
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    second = {file for file in found if holds_positions(file) and partner_of(file) in found}
    if not found:
        raise DataError(str(path), "is a folder without scans", f"scans end in {', '.join(SUFFIXES)}")
    return [file for file in found if file not in second]


def inspect_scans(path: Path) -> DatasetFacts:
    """What a scan, or the scans of a folder together, say about themselves; all must have patterns
    of one size. Raises DataError."""
    facts = [inspect_dataset(file) for file in scan_files(path)]
    if len(facts) == 1:
        return facts[0]
    sides = {fact.name: fact.n_pixels for fact in facts}
    if len(set(sides.values())) > 1:
        listed = ", ".join(f"{name}: {side} px" for name, side in sides.items())
        raise DataError(str(path), f"its scans have patterns of different size ({listed})")
    photons = {fact.nphotons for fact in facts}
    return DatasetFacts(
        name=path.name,
        n_patterns=sum(fact.n_patterns for fact in facts),
        n_pixels=facts[0].n_pixels,
        probe_modes=max(fact.probe_modes for fact in facts),
        nphotons=photons.pop() if len(photons) == 1 else None,
    )


def read_scan(
    path: Path, domain: Domain, origin: Origin = "corner", in_memory: int = IN_MEMORY_BYTES
) -> Dataset:
    """Read a scan; `domain` says whether its patterns are counts or amplitudes.

    Amplitudes are squared. A scan of more bytes than `in_memory`, as float32, stays in its file and is
    read as it is needed, unless it is a compressed NPZ. What is not used of the file is a
    RuntimeWarning. `origin`: where in the first pixel position 0 of an NPZ lies; HDF5 files say it
    themselves. Raises DataError with the file, the array and the reason.
    """
    scan = open_scan(path)
    if origin == "centre" and isinstance(scan.patterns, NpzPatterns):
        # The middle of an array of one pixel is the centre of pixel 0.
        scan = attrs.evolve(scan, position_yx=scan.position_yx + array_centre(1, scan.frame[0]))
    return dataset_from_raw(scan, domain, in_memory)


def dataset_from_raw(scan: RawScan, domain: Domain, in_memory: int = IN_MEMORY_BYTES) -> Dataset:
    """A scan that was found, as a dataset, its values checked. Raises DataError."""
    path = check_scan(scan).path
    _check_type(path, scan.key, scan.patterns.dtype)
    probe, position = _probe(scan), _positions(scan)
    for remark in (*scan.remarks, *_overlap_remarks(probe, position)):
        warnings.warn(f"{path.name}: {remark}", RuntimeWarning, stacklevel=2)
    large = math.prod(scan.patterns.shape) * 4 > in_memory
    patterns = stored_patterns(scan, in_file=large, squared=domain == "normalized_amplitude")
    _check_values(path, scan.key, patterns)
    return Dataset(
        name=path.name,
        intensity=patterns if large else patterns[:],
        position_yx=position,
        probe=probe,
        valid_pixels=scan.valid_pixels,
        geometry=scan.geometry,
    )


def read_array(path: Path, key: str) -> NDArray[Any]:
    """The whole of one array of an NPZ or HDF5 file. Raises DataError."""
    if not is_hdf5(path):
        return read_arrays(path, [key])[key]
    with open_for_reading(path) as file:
        return Source(path, file).array(key)


def stored_patterns(scan: RawScan, *, in_file: bool, squared: bool = False) -> StoredPatterns:
    """The patterns of a scan, left in the file where that is wanted and possible."""
    stored = scan.patterns
    if isinstance(stored, NpzPatterns):
        # Patterns along the last axis are spread over the whole file, so they cannot be read alone.
        stored = stored.opened(in_file=in_file and not scan.patterns_last)
    return StoredPatterns(
        stored,
        patterns_last=scan.patterns_last,
        squared=squared,
        rows=scan.rows,
        valid_pixels=scan.valid_pixels if scan.zero_invalid else None,
    )


def _positions(scan: RawScan) -> NDArray[np.float64]:
    position, name = scan.position_yx, str(scan.path)
    if not np.isfinite(position).all():
        raise DataError(name, "positions (xcoords or ycoords) hold NaN or infinite values")
    span = float(np.ptp(position, axis=0).max())
    if span > MAX_SPAN_PX or (span < MIN_SPAN_PX and len(position) > 1):
        raise DataError(name, f"positions span {span:.3g} px", "their unit must be object pixels")
    return position


def _overlap_remarks(probe: NDArray[np.complex64], position_yx: NDArray[np.float64]) -> Iterator[str]:
    step, width = nearest_step(position_yx), effective_diameter(np.square(np.abs(probe)).sum(axis=0))
    if step > width:
        yield (
            f"neighbouring patterns do not overlap: their positions are {step:.3g} px apart and the probe is "
            f"about {width:.3g} px wide. Are positions in object pixels?"
        )


def _check_type(path: Path, key: str, dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "uif":
        raise DataError(str(path), f"{key} must hold real numbers, its type is {dtype}")


def _check_values(path: Path, key: str, patterns: StoredPatterns) -> None:
    """Every value finite and not negative, and some of them not zero."""
    infinite = negative = 0
    lit = False
    raw = attrs.evolve(patterns, squared=False)
    for part in chunks(raw):
        infinite += int((~np.isfinite(part)).any(axis=(1, 2)).sum())
        negative += int((part < 0).any(axis=(1, 2)).sum())
        lit = lit or bool(part.any())
    if infinite:
        raise DataError(
            str(path), f"{key} holds NaN or infinite values in {infinite} patterns", "mask or remove them"
        )
    if negative:
        raise DataError(
            str(path), f"{key} holds negative values in {negative} patterns", "subtract no more than the dark"
        )
    if not lit:
        raise DataError(str(path), f"{key} is zero everywhere")


def _probe(scan: RawScan) -> NDArray[np.complex64]:
    stored, name = scan.probe, str(scan.path)
    assert stored is not None
    if stored.dtype.kind not in "fc":
        raise DataError(name, f"{scan.probe_key} must be complex, its type is {stored.dtype}")
    probe = np.asarray(stored, np.complex64)
    if not np.isfinite(probe).all() or not probe.any():
        raise DataError(name, f"{scan.probe_key} is zero or holds NaN or infinite values")
    return probe
