"""From an opened scan to a dataset: the contract of the data, checked before anything is computed."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_torch.data.alignment import align
from ptycho_torch.data.checks import check_scan
from ptycho_torch.data.formats.npz_archive import NpzArray
from ptycho_torch.data.geometry import array_centre
from ptycho_torch.data.patterns import IN_MEMORY_BYTES, StoredPatterns, chunks
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError
from ptycho_torch.judgement.pixels import FILL, pixel_evidence
from ptycho_torch.judgement.scan import find_pixel_faults
from ptycho_torch.physics.pupil import Aberration, pupil_probe
from ptycho_torch.physics.spacing import effective_diameter, nearest_step
from ptycho_torch.records import Dataset, Patterns

MIN_SPAN_PX, MAX_SPAN_PX, MOST_PX = 1e-2, 2**16, 1e9
# Names in NPZ; the first holds amplitudes in files of PtychoPINN, the second always counts.
AMPLITUDE_KEY, COUNT_KEY = "diffraction", "diff3d"
_LOOKED_AT, _FAR_MORE, _FEW = 16, 100.0, 0.01
Domain = Literal["count_intensity", "normalized_amplitude"]
Origin = Literal["corner", "centre"]
Masking = Literal["file", "auto"]


def read_dataset(
    scan: RawScan,
    domain: Domain,
    origin: Origin = "corner",
    in_memory: int = IN_MEMORY_BYTES,
    *,
    mask: Masking = "file",
    probe_needed: bool = True,
) -> Dataset:
    """Read the patterns of an opened scan and check all its values.

    domain: whether its patterns are counts or amplitudes, which are squared; origin: where in the first pixel position
    0 lies, for files that do not say it themselves (NPZ); in_memory: a scan of more bytes than this, as float32, stays
    in its file and is read as it is needed, unless it is a compressed NPZ; mask: with `auto`, pixels that are found
    not to measure are left out with those that the file marks; probe_needed: False gives a scan without a probe that
    of its mean pattern in focus. A RuntimeWarning names what is not used of the file. Raises DataError with the file,
    the array and the reason.
    """
    path = check_scan(scan, probe_needed=probe_needed).path
    stored, position = _probe(scan), _positions(scan)
    if origin == "centre" and not scan.origin_known:
        # The middle of an array of one pixel is the centre of pixel 0.
        position = position + array_centre(1, scan.frame[0])
    for remark in (*scan.remarks, *_overlap_remarks(stored, position)):
        warnings.warn(f"{path.name}: {remark}", RuntimeWarning, stacklevel=2)
    large = math.prod(scan.patterns.shape) * 4 > in_memory
    patterns = stored_patterns(scan, in_file=large, checked=True)
    if mask == "auto":
        patterns = _mask_faults(path, patterns, stored)
    valid = patterns.valid_pixels
    _check_values(path, scan.key, patterns, stored)
    if domain == "count_intensity":
        refuse_amplitudes(scan, stored, patterns)
    squared = scan.amplitudes or domain == "normalized_amplitude"
    if squared:
        patterns = attrs.evolve(patterns, squared=True)
    if len(position) != len(patterns) and stored is not None:
        kept = align(scan, patterns, stored)
        warnings.warn(f"{path.name}: {kept.remark}", RuntimeWarning, stacklevel=2)
        patterns, position = attrs.evolve(patterns, rows=kept.of(scan).rows), position[kept.positions]
    return Dataset(
        name=path.name,
        intensity=patterns if large else patterns[:],
        position_yx=position,
        probe=_focused_probe(patterns) if stored is None else stored,
        probe_known=stored is not None,
        valid_pixels=valid,
        geometry=scan.geometry,
        squared=squared,
    )


def stored_patterns(scan: RawScan, *, in_file: bool, checked: bool = False) -> StoredPatterns:
    """The patterns of a scan as they are stored; left in the file with in_file, where that is possible, and after their
    checksum was compared if that is to be checked. Raises DataError where they are no real numbers."""
    stored: Any = scan.patterns
    if stored.dtype.kind not in "uif":
        raise DataError(str(scan.path), f"{scan.key} must hold real numbers, its type is {stored.dtype}")
    if isinstance(stored, NpzArray):
        # Patterns along the last axis are spread over the whole file, so they cannot be read alone.
        stored = stored.load(in_file=in_file and not scan.patterns_last, checked=checked)
    # A mask of another size is an error wherever scans are checked; a description shows the patterns without it.
    fits = scan.valid_pixels is not None and scan.valid_pixels.shape == scan.frame
    return StoredPatterns(
        stored if in_file else stored[...],
        patterns_last=scan.patterns_last,
        rows=scan.rows,
        valid_pixels=scan.valid_pixels if fits else None,
    )


def _positions(scan: RawScan) -> NDArray[np.float64]:
    position, name = scan.position_yx, str(scan.path)
    if not np.isfinite(position).all():
        raise DataError(name, "positions (xcoords or ycoords) hold NaN or infinite values")
    span = float(np.ptp(position, axis=0).max())
    if span > MAX_SPAN_PX or (span < MIN_SPAN_PX and len(position) > 1):
        pixel = "" if scan.geometry is None else f"; one has {max(scan.geometry.pixel_m):.4g} m here"
        raise DataError(name, f"positions span {span:.3g} px", f"their unit must be object pixels{pixel}")
    if (farthest := float(np.abs(position).max())) > MOST_PX:
        raise DataError(name, f"positions lie {farthest:.3g} px from 0, where parts of a pixel have no digits left")
    return position


def _overlap_remarks(probe: NDArray[np.complex64] | None, position_yx: NDArray[np.float64]) -> Iterator[str]:
    if probe is None:
        return
    step, width = nearest_step(position_yx), effective_diameter(np.square(np.abs(probe)).sum(axis=0))
    if step > width:
        yield (
            f"neighbouring patterns do not overlap: their positions are {step:.3g} px apart and the probe is "
            f"about {width:.3g} px wide. Are positions in object pixels?"
        )


def _mask_faults(path: Path, patterns: StoredPatterns, probe: NDArray[np.complex64] | None) -> StoredPatterns:
    """The patterns without the pixels that do not measure, with a RuntimeWarning that names them."""
    valid = patterns.valid_pixels
    faults = find_pixel_faults(patterns, probe, valid)
    for one in pixel_evidence(faults, masked=True):
        warnings.warn(f"{path.name}: {one.text}", RuntimeWarning, stacklevel=3)
    return attrs.evolve(patterns, valid_pixels=~faults.any if valid is None else valid & ~faults.any)


def _check_values(path: Path, key: str, patterns: StoredPatterns, probe: NDArray[np.complex64] | None) -> None:
    """Every value finite and not negative, and some of them not zero. Raises DataError, which names pixels that hold
    a fill value."""
    infinite = negative = 0
    dark = True
    for part in chunks(patterns):
        infinite += int((~np.isfinite(part)).any(axis=(1, 2)).sum())
        negative += int((part < 0).any(axis=(1, 2)).sum())
        dark = dark and not part.any()
    if infinite or negative:
        found = pixel_evidence(find_pixel_faults(patterns, probe, patterns.valid_pixels), masked=False)
        for one in (one for one in found if one.name == FILL):
            raise DataError(str(path), f"{key}: {one.text}", one.remedy)
    if infinite:
        raise DataError(str(path), f"{key} holds NaN or infinite values in {infinite} patterns", "mask or remove them")
    if negative:
        message = f"{key} holds negative values in {negative} patterns"
        raise DataError(str(path), message, "subtract no more than the dark")
    if dark:
        raise DataError(str(path), f"{key} is zero everywhere")


def refuse_amplitudes(scan: RawScan, probe: NDArray[Any] | None, patterns: StoredPatterns) -> None:
    """Raise DataError where the patterns of a scan have the name that PtychoPINN uses for normalised amplitudes, hardly
    a whole number among them, and its probe far more power than one of them has in all."""
    if scan.amplitudes or scan.key != AMPLITUDE_KEY or probe is None:
        return
    sample = patterns[np.unique(np.linspace(0, len(patterns) - 1, min(_LOOKED_AT, len(patterns))).astype(np.int64))]
    values, mean = sample[sample > 0], float(sample.sum(axis=(1, 2), dtype=np.float64).mean())
    power = float(np.square(np.abs(probe)).sum(dtype=np.float64))
    if mean > 0 and power > _FAR_MORE * mean and (values == np.round(values)).mean() < _FEW:
        raise DataError(
            str(scan.path),
            f"{scan.key} seems to hold amplitudes and not counts: no whole numbers, and the probe has "
            f"{power / mean:.3g} times the mean sum of a pattern",
            f"set torch.scale.domain=normalized_amplitude; if they are counts, name the array {COUNT_KEY}",
        )


def _focused_probe(patterns: Patterns) -> NDArray[np.complex64]:
    """The probe of the mean pattern in focus, `(1, N, N)`, with the energy of a mean pattern."""
    mean = sum(part.sum(axis=0, dtype=np.float64) for part in chunks(patterns)) / len(patterns)
    probe = pupil_probe(torch.from_numpy(np.fft.ifftshift(mean)), Aberration(0.0)).numpy()
    return np.asarray(probe * math.sqrt(mean.sum()) / mean.shape[-1], np.complex64)


def _probe(scan: RawScan) -> NDArray[np.complex64] | None:
    stored, name = scan.probe, str(scan.path)
    if stored is None:
        return None
    if stored.dtype.kind not in "fc":
        raise DataError(name, f"{scan.probe_key} must be complex, its type is {stored.dtype}")
    probe = np.asarray(stored, np.complex64)
    if not np.isfinite(probe).all() or not probe.any():
        raise DataError(name, f"{scan.probe_key} is zero or holds NaN or infinite values")
    return probe
