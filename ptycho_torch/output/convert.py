"""A scan of any format as NPZ, CXI, ptyd, EMD, or HDF5 of ptychodus, with its units."""

import warnings
from collections.abc import Callable
from pathlib import Path

import attrs

from ptycho_torch.data.alignment import align
from ptycho_torch.data.checks import check_scan
from ptycho_torch.data.dataset import refuse_amplitudes, stored_patterns
from ptycho_torch.data.formats.ptychodus import DIFFRACTION, PRODUCT
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import open_scan
from ptycho_torch.errors import DataError
from ptycho_torch.files import atomic_write, check_folder
from ptycho_torch.output.raster_formats import write_emd, write_ptyd
from ptycho_torch.output.scan_formats import add_preparation, write_cxi, write_npz, write_pair, write_training_data

_WRITERS: dict[str, Callable[[Path, RawScan], None]] = {
    ".npz": write_npz,
    ".cxi": write_cxi,
    ".h5": write_training_data,
    ".hdf5": write_training_data,
    ".ptyd": write_ptyd,
    ".emd": write_emd,
}
# Parts of a geometry that a file may not state.
_GEOMETRY = {"photon_energy_ev": "energy", "distance_m": "distance", "detector_pixel_m": "pixel of the detector"}


def convert_scan(source: Path, target: Path) -> RawScan:
    """Write the scan at source to a new file target, whose ending decides the format, and return what was written. With
    the name `product.h5` it is a product of ptychodus, and its patterns go to `diffraction.h5` next to it.

    Nothing is left where it fails. A RuntimeWarning names what of the source is not used. Raises DataError for a scan
    that cannot be used, for a target that is there already, and for what the format of target cannot hold.
    """
    check_target(target)
    with open_scan(source) as opened:
        scan = complete(check_scan(opened, probe_needed=False))
        if target.suffix.lower() != ".npz":
            refuse_amplitudes(scan, scan.probe, stored_patterns(scan, in_file=True))
        for remark in scan.remarks:
            warnings.warn(f"{source.name}: {remark}", RuntimeWarning, stacklevel=2)
        return write_scan(target, scan)


def check_target(target: Path) -> None:
    """Raise DataError where no scan can be written to a new file target; creates nothing."""
    if target.suffix.lower() not in _WRITERS:
        raise DataError(str(target), "has an ending that says no format", "npz, cxi, ptyd, emd, or h5 for ptychodus")
    for one in (target, target.with_name(DIFFRACTION)) if target.name == PRODUCT else (target,):
        if one.exists():
            raise DataError(str(one), "is there already", "choose another name, or remove it")
    check_folder(target.absolute().parent)


def write_scan(target: Path, scan: RawScan, preparation: str = "") -> RawScan:
    """Write a scan to a target that `check_target` found usable, and return it as it is read from there; preparation:
    JSON text that its file keeps under this name. A RuntimeWarning names what the format does not hold. Raises
    DataError."""
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    write = _write_pair if target.name == PRODUCT else _write
    made = write(target, scan, preparation)
    if lost := _lost_parts(scan, made):
        message = f"{target.name}: {made.dialect} does not hold what the scan has: {', '.join(lost)}"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return made


def _lost_parts(scan: RawScan, made: RawScan) -> list[str]:
    """The parts of a scan that are not there where it is read again."""
    parts: dict[str, tuple[object, object]] = {
        "object": (scan.object, made.object),
        "object patches": (scan.label, made.label),
        "number of photons": (scan.nphotons, made.nphotons),
    }
    if scan.geometry is not None:
        there = made.geometry
        parts["pixel in m"] = (scan.geometry, there)
        for name, text in _GEOMETRY.items():
            parts[text] = (getattr(scan.geometry, name), None if there is None else getattr(there, name))
    return [text for text, (before, after) in parts.items() if before is not None and after is None]


def complete(scan: RawScan) -> RawScan:
    """The scan with as many positions as patterns."""
    if scan.probe is None or len(scan.position_yx) == scan.count:
        return scan
    patterns = attrs.evolve(stored_patterns(scan, in_file=True, checked=True), squared=scan.amplitudes)
    return align(scan, patterns, scan.probe).of(scan)


def _write(target: Path, scan: RawScan, preparation: str) -> RawScan:
    suffix = target.suffix.lower()
    with atomic_write(target) as temporary:
        _WRITERS[suffix](temporary, scan)
        if preparation:
            add_preparation(temporary, preparation)
        with open_scan(temporary) as made:
            return attrs.evolve(check_scan(made, probe_needed=False), path=target)


def _write_pair(target: Path, scan: RawScan, preparation: str) -> RawScan:
    """Write product and diffraction; the product, without which nothing is found, comes last."""
    diffraction = target.with_name(DIFFRACTION)
    try:
        with atomic_write(target) as product, atomic_write(diffraction) as patterns:
            write_pair(product, patterns, scan)
            if preparation:
                add_preparation(product, preparation)
        with open_scan(target) as made:
            return check_scan(made)
    except BaseException:
        # Both were written here: neither was there before.
        target.unlink(missing_ok=True)
        diffraction.unlink(missing_ok=True)
        raise
