"""A preparation from file to file."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray

import ptycho_torch.prepare.options as step
from ptycho_config import dump
from ptycho_torch.data.checks import check_scan
from ptycho_torch.data.damage import damage_as_error
from ptycho_torch.data.dataset import Domain, stored_patterns
from ptycho_torch.data.formats.hdf5_rows import open_for_reading
from ptycho_torch.data.formats.hdf5_trial import check_survival
from ptycho_torch.data.formats.npz_archive import open_archive
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import open_scan
from ptycho_torch.errors import DataError
from ptycho_torch.files import file_digest
from ptycho_torch.output.convert import check_target, complete, write_scan
from ptycho_torch.prepare import detector, optics, positions
from ptycho_torch.prepare.scan import ChangedPatterns, Prepared
from ptycho_torch.simulation.scan import read_probe

_AT_ONCE = 64


def prepare_scan(
    source: Path, target: Path, preparation: step.Preparation, domain: Domain = "count_intensity"
) -> Prepared:
    """Take the steps of a preparation from the scan at source to a new file target, whose ending decides the format.

    domain: whether the patterns are counts, or amplitudes, which are squared. The file keeps the steps, a sentence for
    each, name and digest of the source, and what was done to that before, as JSON under `preparation`. Patterns are
    read and written a few at a time. Nothing is left where it fails. Raises DataError.
    """
    check_target(target)
    with open_scan(source) as opened:
        scan = _usable(opened)
        for remark in scan.remarks:
            warnings.warn(f"{source.name}: {remark}", RuntimeWarning, stacklevel=2)
        made = take_steps(start(scan, domain), preparation.steps)
        _check_counts(made)
        record = {
            "source": source.name,
            "sha256": file_digest(source),
            "before": read_preparation(source),
            "steps": dump(preparation)["steps"],
            "notes": list(made.notes),
        }
        write_scan(target, _raw_scan(source, made), json.dumps(record))
    return made


def _usable(scan: RawScan) -> RawScan:
    """The scan, checked; its frames need not be square, since they can be cropped. Raises DataError."""
    height, width = scan.frame
    if height == width:
        return complete(check_scan(scan, probe_needed=False))
    if scan.refusal is not None:
        raise scan.refusal
    if len(scan.position_yx) != scan.count:
        raise DataError(str(scan.path), f"has {len(scan.position_yx)} positions for {scan.count} patterns")
    if scan.probe is not None and scan.probe.shape[-2:] != scan.frame:
        rows, columns = scan.probe.shape[-2:]
        message = f"{scan.probe_key} has {rows} x {columns} pixels, the patterns {height} x {width}"
        raise DataError(str(scan.path), message, "remove it; the step probe attaches one after crop")
    return scan


def start(scan: RawScan, domain: Domain) -> Prepared:
    """An opened scan before the first step, its patterns in their own type, but amplitudes squared; domain as in
    `prepare_scan`."""
    stored: Any = stored_patterns(scan, in_file=True).stored
    squared = scan.amplitudes or domain == "normalized_amplitude"
    last = scan.patterns_last
    dtype = np.dtype(np.float32) if squared or scan.patterns.dtype.kind == "f" else scan.patterns.dtype

    def read(part: NDArray[Any]) -> NDArray[Any]:
        return np.square(part.astype(np.float32)) if squared else part.astype(dtype)

    rows = np.arange(scan.count) if scan.rows is None else scan.rows
    patterns = ChangedPatterns(_LastAxis(stored) if last else stored, rows, read, scan.frame, dtype)
    made = Prepared(
        name=str(scan.path),
        patterns=patterns,
        position_yx=scan.position_yx,
        valid=np.ones(scan.frame, bool) if scan.valid_pixels is None else scan.valid_pixels,
        probe=None if scan.probe is None else np.asarray(scan.probe, np.complex64),
        object=None if scan.object is None else np.asarray(scan.object[...]).reshape(scan.object.shape[-2:]),
        geometry=scan.geometry,
    )
    return made.note("amplitudes squared") if squared else made


@attrs.frozen(eq=False)
class _LastAxis:
    """Patterns `(N, N, n)` by rows `(k, N, N)`."""

    stored: Any

    @property
    def shape(self) -> tuple[int, ...]:
        height, width, count = self.stored.shape
        return count, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        found: np.dtype[Any] = self.stored.dtype
        return found

    def __getitem__(self, rows: Any, /) -> NDArray[Any]:
        return np.moveaxis(self.stored[..., rows], -1, 0)


def take_steps(scan: Prepared, steps: Sequence[step.Step]) -> Prepared:
    """The scan after the steps, in their order. Raises DataError for one that cannot be taken."""
    for one in steps:
        scan = take_step(scan, one)
    return scan


def take_step(scan: Prepared, one: step.Step) -> Prepared:
    """The scan after one step. Raises DataError where it cannot be taken."""
    match one:
        case step.TurnPositions(to=orientation):
            made = positions.turn_positions(scan, orientation)
        case step.Region(y_px=y_px, x_px=x_px):
            made = positions.cut_region(scan, y_px, x_px)
        case step.Select(start=first, stop=stop, every=every):
            made = positions.select_patterns(scan, first, stop, every)
        case step.Split(part=part, parts=parts, by=by):
            made = positions.split_scan(scan, part, parts, by)
        case step.Shuffle(seed=seed):
            made = positions.shuffle_patterns(scan, seed)
        case step.Beamline():
            made = optics.state_beamline(scan, one)
        case step.ProbeFile(path=path):
            energy = np.sqrt(scan.mean_pattern().sum())
            made = optics.attach_probe(scan, read_probe(path) * energy, f"of {path.name}")
        case step.Optics():
            made = optics.build_probe(scan, one)
        case _:
            made = _change_patterns(scan, one)
    return made


def _change_patterns(scan: Prepared, one: step.OnPatterns) -> Prepared:
    match one:
        case step.Crop(side_px=side):
            made = detector.crop_patterns(scan, side)
        case step.Pad(side_px=side):
            made = detector.pad_patterns(scan, side)
        case step.Bin(factor=factor):
            made = detector.bin_patterns(scan, factor)
        case step.Centre(y_px=y, x_px=x):
            made = detector.centre_patterns(scan, None if y is None or x is None else (y, x))
        case step.Turn(flip_y=flip_y, flip_x=flip_x, exchange=exchange):
            made = detector.turn_patterns(scan, flip_y=flip_y, flip_x=flip_x, exchange=exchange)
        case step.Mask(path=path, marks=marks):
            marked = _read_array(path) != 0
            made = detector.mask_pixels(scan, marked if marks == "bad" else ~marked, path.name)
        case step.Dark(path=path, counts=counts):
            made = _subtract_dark(scan, path, counts)
    return made


def _subtract_dark(scan: Prepared, path: Path | None, counts: float | None) -> Prepared:
    if path is None:
        return detector.subtract_dark(scan, np.array(counts), "the option")
    dark = _read_array(path).astype(np.float64)
    if not np.isfinite(dark).all():
        raise DataError(str(path), "holds NaN or infinite values", "a dark has a number in each pixel")
    return detector.subtract_dark(scan, dark.mean(axis=0) if dark.ndim == 3 else dark, path.name)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(str(path), f"cannot be read: {error}", "give an .npy array") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "buif" or found.ndim < 2:
        raise DataError(str(path), "is no real array (N, N)", "give an .npy array")
    return found


def _check_counts(scan: Prepared) -> None:
    """Every count finite and not negative where the detector measured. Raises DataError."""
    for first in range(0, len(scan.position_yx), _AT_ONCE):
        part = scan.patterns[np.arange(first, min(first + _AT_ONCE, len(scan.position_yx)))][:, scan.valid]
        if not np.isfinite(part).all() or (part < 0).any():
            hint = "take the steps mask or dark, or measurement domain and file do not belong together"
            raise scan.error("has counts below 0, NaN or infinite ones after the last step", hint)


def _raw_scan(source: Path, made: Prepared) -> RawScan:
    scan = RawScan(
        path=source,
        dialect="memory",
        key="diff3d",
        patterns=made.patterns,
        position_yx=made.position_yx,
        probe=made.probe,
        valid_pixels=None if made.valid.all() else made.valid,
        geometry=made.geometry,
        object=made.object,
    )
    return check_scan(scan, probe_needed=False)


def read_preparation(path: Path) -> Any:
    """The record that `prepare_scan` left in the file at path, as JSON values; None where there is none."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"PK"
    text: str | bytes = ""
    if zipped:
        with open_archive(path) as archive:
            text = str(archive.array("preparation")) if "preparation" in archive.arrays() else ""
    elif h5py.is_hdf5(path):
        check_survival(path, lambda: _hdf5_text(path))
        text = _hdf5_text(path)
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _hdf5_text(path: Path) -> str | bytes:
    with open_for_reading(path) as file, damage_as_error(path, "preparation"):
        found = file.get("preparation")
        text: str | bytes = found[()] if isinstance(found, h5py.Dataset) else ""
    return text
