"""Scan files to datasets: the NPZ contract, checked before anything is computed."""

import math
import warnings
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import DatasetFacts
from ptycho_torch.data.hdf5 import DIFFRACTION, PRODUCT, is_hdf5, open_hdf5
from ptycho_torch.data.npz import Header, headers, read_arrays, read_metadata
from ptycho_torch.data.patterns import IN_MEMORY_BYTES, StoredPatterns, chunks, stored_rows
from ptycho_torch.errors import DataError
from ptycho_torch.records import Dataset

PATTERN_KEYS = ("diffraction", "diff3d")
MAX_SPAN_PX = 2**16
REQUIRED_KEYS = ("xcoords", "ycoords", "probeGuess")
Domain = Literal["count_intensity", "normalized_amplitude"]


def is_legacy_order(shape: tuple[int, ...], n_positions: int) -> bool:
    """Whether a three-dimensional pattern array is (H, W, n) and not (n, H, W).

    The square pair of axes decides; where both or neither is square, the axis that matches
    the number of positions; then the axis shorter than it; then the larger last axis.
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


def _layout(path: Path, found: dict[str, Header]) -> tuple[str, int, int, bool]:
    """`(pattern key, patterns, side, legacy order)` from the headers alone, or a DataError."""
    key = next((name for name in PATTERN_KEYS if name in found), None)
    missing = [name for name in REQUIRED_KEYS if name not in found]
    if key is None or missing:
        wanted = [*missing, *(["diffraction (or diff3d)"] if key is None else [])]
        raise DataError(
            str(path), f"has no {', '.join(wanted)}", f"it holds {', '.join(sorted(found)) or 'nothing'}"
        )
    for name in ("xcoords", "ycoords"):
        if len(found[name].shape) != 1:
            raise DataError(str(path), f"{name} must be one-dimensional, its shape is {found[name].shape}")
    n_positions = found["xcoords"].shape[0]
    if found["ycoords"].shape[0] != n_positions:
        raise DataError(str(path), f"{n_positions} xcoords but {found['ycoords'].shape[0]} ycoords")
    shape = found[key].shape
    if len(shape) != 3:
        raise DataError(str(path), f"{key} must be three-dimensional (n, N, N), its shape is {shape}")
    legacy = is_legacy_order(shape, n_positions)
    count, height, width = (shape[2], shape[0], shape[1]) if legacy else shape
    if count == 0:
        raise DataError(str(path), f"{key} holds no patterns, its shape is {shape}")
    if height != width:
        raise DataError(str(path), f"patterns must be square, {key} has {height} x {width} pixels")
    if n_positions < count:
        raise DataError(str(path), f"{n_positions} positions for {count} patterns", "each pattern needs one")
    _check_probe(path, found["probeGuess"].shape, height)
    return key, count, height, legacy


def _check_probe(path: Path, shape: tuple[int, ...], side: int) -> None:
    spatial = shape[:2] if len(shape) == 3 and shape[2] == 1 else shape[-2:]
    if len(shape) not in (2, 3) or 0 in shape:
        raise DataError(str(path), f"probeGuess must be (N, N) or (modes, N, N), its shape is {shape}")
    if spatial != (side, side):
        raise DataError(
            str(path), f"probeGuess has {spatial[0]} x {spatial[1]} pixels, the patterns {side} x {side}"
        )


def inspect_dataset(path: Path) -> DatasetFacts:
    """What a scan file says about itself, from headers and metadata only. Reads the file."""
    if is_hdf5(path):
        scan = open_hdf5(path)
        count, side = len(scan.position_yx), scan.patterns.shape[-1]
        modes = scan.probe.shape[0] if scan.probe.ndim == 3 else 1
        return DatasetFacts(name=path.name, n_patterns=count, n_pixels=side, probe_modes=modes, nphotons=None)
    found = headers(path)
    _, count, side, _ = _layout(path, found)
    shape = found["probeGuess"].shape
    modes = shape[0] if len(shape) == 3 and shape[2] != 1 else 1
    return DatasetFacts(
        name=path.name,
        n_patterns=count,
        n_pixels=side,
        probe_modes=modes,
        nphotons=_photons(path, read_metadata(path, found)),
    )


SUFFIXES = (".npz", ".h5", ".hdf5", ".cxi")


def scan_files(path: Path) -> list[Path]:
    """The scan files that a path means: itself, or in a folder all of them by name. A ptychodus
    product and its diffraction are one scan. Raises DataError for a folder without any."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    if path / PRODUCT in found and path / DIFFRACTION in found:
        found.remove(path / PRODUCT)
    if not found:
        raise DataError(str(path), "is a folder without scans", f"scans end in {', '.join(SUFFIXES)}")
    return found


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


def _photons(path: Path, metadata: dict[str, Any]) -> float | None:
    physics = metadata.get("physics_parameters", {})
    value = physics.get("nphotons") if isinstance(physics, dict) else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise DataError(
            str(path), f"_metadata physics_parameters.nphotons must be a number above 0, got {value!r}"
        )
    return float(value)


def read_scan(path: Path, domain: Domain) -> Dataset:
    """Read a scan; `domain` says whether its patterns are counts or amplitudes.

    Amplitudes are squared. A large scan stays in its file and is read as it is needed, where the
    file is not compressed. Raises DataError with the file, the array and the reason.
    """
    if is_hdf5(path):
        return _from_hdf5(path, domain)
    found = headers(path)
    key, count, _, legacy = _layout(path, found)
    arrays = read_arrays(path, list(REQUIRED_KEYS))
    _check_type(path, key, found[key].dtype)
    large = math.prod(found[key].shape) * 4 > IN_MEMORY_BYTES
    # Patterns along the last axis are spread over the whole file, so they cannot be read alone.
    rows = stored_rows(path, key) if large and not legacy else None
    stored = read_arrays(path, [key])[key] if rows is None else rows
    patterns = StoredPatterns(stored, patterns_last=legacy, squared=domain == "normalized_amplitude")
    _check_values(path, key, patterns)
    position = _positions(path, arrays["ycoords"], arrays["xcoords"])
    if len(position) > count:
        warnings.warn(
            f"{path.name}: {len(position)} positions for {count} patterns; the trailing ones are not used",
            stacklevel=2,
        )
        position = position[:count]
    intensity = patterns if large else patterns[:]
    return Dataset(path.name, intensity, position, _probe(path, arrays["probeGuess"]))


def _from_hdf5(path: Path, domain: Domain) -> Dataset:
    scan = open_hdf5(path)
    _check_type(path, scan.key, scan.patterns.dtype)
    squared = domain == "normalized_amplitude"
    patterns = StoredPatterns(scan.patterns, squared=squared, rows=scan.rows)
    _check_values(path, scan.key, patterns)
    large = math.prod(patterns.shape) * 4 > IN_MEMORY_BYTES
    position = _positions(path, *scan.position_yx.T)
    return Dataset(path.name, patterns if large else patterns[:], position, _probe(path, scan.probe))


def _positions(path: Path, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float64]:
    if rows.dtype.kind not in "uif" or columns.dtype.kind not in "uif":
        raise DataError(str(path), f"xcoords or ycoords must be real, not {columns.dtype}, {rows.dtype}")
    position = np.stack([rows, columns], axis=1).astype(np.float64)
    if not np.isfinite(position).all():
        raise DataError(str(path), "xcoords or ycoords hold NaN or infinite values")
    span = float(np.ptp(position, axis=0).max())
    if span > MAX_SPAN_PX:
        raise DataError(str(path), f"positions span {span:.3g} px", "their unit must be object pixels")
    return position


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


def _probe(path: Path, stored: NDArray[Any]) -> NDArray[np.complex64]:
    if stored.dtype.kind not in "fc":
        raise DataError(str(path), f"probeGuess must be complex, its type is {stored.dtype}")
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    probe = np.asarray(stored, np.complex64)
    if not np.isfinite(probe).all() or not probe.any():
        raise DataError(str(path), "probeGuess is zero or holds NaN or infinite values")
    return probe if probe.ndim == 3 else probe[None]
