"""Scan files: found by path, opened once, and read from what was opened."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ptycho_config.facts import DatasetFacts
from ptycho_torch.data.checks import check_scan
from ptycho_torch.data.dataset import Domain, Masking, Origin, read_dataset
from ptycho_torch.data.formats.ptychodus import holds_positions, patterns_of
from ptycho_torch.data.formats.reader import HDF5_SUFFIXES, read_file
from ptycho_torch.data.patterns import IN_MEMORY_BYTES
from ptycho_torch.data.probes import fit_probe
from ptycho_torch.data.raw import RawScan
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.files import file_digest, file_stamp, open_digest
from ptycho_torch.records import Dataset

SUFFIXES = (".npz", ".mat", *HDF5_SUFFIXES)
MOST_OPEN = 100


def open_scan(path: Path) -> RawScan:
    """One scan file, whatever its format, open until the scan is closed; its patterns stay in the file. Its content,
    not its name, decides the format. Raises DataError."""
    return fit_probe(read_file(path))


def open_scans(path: Path) -> tuple[RawScan, ...]:
    """All scans that a path means, see `scan_files`; of more than a hundred each is closed at once, because the system
    allows a process only so many open files. Raises DataError."""
    files = scan_files(path)
    with ExitStack() as opened:
        scans = []
        for file in files:
            scans.append(opened.enter_context(open_scan(file)))
            if len(files) > MOST_OPEN:
                opened.close()
        # The others stay open for the caller.
        opened.pop_all()
        return tuple(scans)


@contextmanager
def closing(scans: Iterable[RawScan]) -> Iterator[None]:
    """Close the scans at the end of the block."""
    with ExitStack() as opened:
        for scan in scans:
            opened.enter_context(scan)
        yield


def digests(scans: Iterable[RawScan]) -> dict[str, str]:
    """The digest of the file of every scan, by path; one that was closed is opened again. Raises DataError, also where
    a file has changed since it was opened."""
    return {str(scan.path): _digest(scan) for scan in scans}


def _digest(scan: RawScan) -> str:
    descriptor = scan.descriptor()
    try:
        found = file_digest(scan.path) if descriptor is None else open_digest(descriptor)
        stamp = file_stamp(scan.path.stat() if descriptor is None else os.fstat(descriptor))
    except OSError as error:
        raise DataError(str(scan.path), f"cannot be read: {error.strerror}") from None
    if scan.stamp is not None and scan.stamp != stamp:
        grown = "" if stamp[0] == scan.stamp[0] else f", from {scan.stamp[0]} to {stamp[0]} bytes: it is still growing"
        message = f"changed while it was read{grown}"
        raise DataError(str(scan.path), message, "wait until it is complete")
    return found


def scan_files(path: Path) -> list[Path]:
    """The scan files that a path means: itself, in a folder all of them by name, or all that match a name with `*`. A
    product and its patterns, in two files, are one scan. Raises DataError where there is none."""
    if "*" in path.name and not path.exists():
        matching = sorted(path.parent.glob(path.name))
        if not matching:
            raise MissingFileError(str(path), "no file has such a name")
        return matching
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
    second = {file for file in found if holds_positions(file) and patterns_of(file) in found}
    if not found:
        raise DataError(str(path), "is a folder without scans", f"scans end in {', '.join(SUFFIXES)}")
    return [file for file in found if file not in second]


def facts_of(path: Path, scans: Sequence[RawScan], *, probe_needed: bool = True) -> DatasetFacts:
    """The facts of the opened scans of a path, together; no pattern is read. A scan without a probe is refused where
    probe_needed, and counts as one with one mode elsewhere. Raises DataError for a scan
    that cannot be used and for patterns of different size."""
    sides, modes = {}, []
    for scan in scans:
        check_scan(scan, probe_needed=probe_needed)
        sides[scan.path.name] = scan.frame[0]
        modes.append(1 if scan.probe is None else len(scan.probe))
    if len(set(sides.values())) > 1:
        listed = ", ".join(f"{name}: {side} px" for name, side in sides.items())
        raise DataError(str(path), f"its scans have patterns of different size ({listed})")
    photons = {scan.nphotons for scan in scans}
    return DatasetFacts(
        name=path.name if len(scans) > 1 else scans[0].path.name,
        n_patterns=sum(min(scan.count, len(scan.position_yx)) for scan in scans),
        n_pixels=scans[0].frame[0],
        probe_modes=max(modes),
        nphotons=photons.pop() if len(photons) == 1 else None,
    )


def inspect_dataset(path: Path, *, probe_needed: bool = True) -> DatasetFacts:
    """The facts of a scan file, or of all scans of a folder, at path; probe_needed as in `facts_of`.

    Raises DataError.
    """
    scans = open_scans(path)
    with closing(scans):
        return facts_of(path, scans, probe_needed=probe_needed)


def read_scan(
    path: Path, domain: Domain, origin: Origin = "corner", in_memory: int = IN_MEMORY_BYTES, mask: Masking = "file"
) -> Dataset:
    """Open the scan file at path and read it; domain, origin, in_memory and mask as in `read_dataset`. Raises
    DataError."""
    with open_scan(path) as scan:
        return read_dataset(scan, domain, origin, in_memory, mask=mask)
