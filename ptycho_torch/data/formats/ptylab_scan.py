"""Scans of PtyLab (`PtyLab/PtyLab.py`, `.m` and `.jl`): counts, SI units, rows before columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.formats.axes import patterns_last
from ptycho_torch.data.formats.cxi import refuse_near_field
from ptycho_torch.data.formats.source import Source, StoredProbe
from ptycho_torch.data.geometry import PLANCK_TIMES_LIGHT, far_field
from ptycho_torch.data.masks import NAMES, Mask, join_masks, read_mask
from ptycho_torch.data.raw import RawScan, Stored, mode_stack, positive_number, real_numbers, with_mask
from ptycho_torch.errors import DataError

PTYCHOGRAM = "ptychogram"


@attrs.frozen(eq=False)
class ArraySource:
    """The arrays of a file at path by name, with what `Source` has of an HDF5 file."""

    path: Path
    arrays: Mapping[str, NDArray[Any]]

    def error(self, message: str, hint: str = "") -> DataError:
        """A DataError about this file."""
        return DataError(str(self.path), message, hint)

    def find(self, key: str) -> NDArray[Any] | None:
        """The array named key, or None."""
        return self.arrays.get(key)

    def array(self, key: str) -> NDArray[Any]:
        """The array named key. Raises DataError where there is none."""
        if key not in self.arrays:
            raise self.error(f"has no {key}; it holds {', '.join(sorted(self.arrays)) or 'nothing'}")
        return self.arrays[key]

    def real(self, key: str) -> NDArray[np.float64]:
        """An array of real numbers named key."""
        return real_numbers(self.path, key, self.array(key))

    def number(self, key: str) -> float:
        """One number above 0 named key."""
        return positive_number(self.path, key, self.array(key))

    def pixel_m(self, _: str) -> None:
        """No array states its pixel."""
        return

    def probe(self) -> StoredProbe:
        """The probe, if there is one."""
        stored = self.find("probe")
        if stored is None:
            return None, "probe", None, ()
        modes, remarks = mode_stack(self.path, "probe", stored)
        return modes, "probe", None, remarks

    def mask(self) -> Mask | None:
        """The pixels that all masks find valid."""
        return join_masks(
            self.path, [read_mask(self.path, key, self.arrays[key]) for key in NAMES if key in self.arrays]
        )


def read_arrays(source: ArraySource) -> RawScan:
    """The same of a MATLAB file, whose patterns may lie along the last axis. Raises DataError."""
    patterns = source.array(PTYCHOGRAM)
    count = max(source.array("encoder").shape)
    last = patterns_last(source.path, PTYCHOGRAM, patterns.shape, count, None)
    if last:
        patterns = np.moveaxis(patterns, (0, 1), (-2, -1))
    patterns = patterns.reshape(-1, *patterns.shape[-2:])
    return scan_of_ptylab(source, patterns, beam_positions(source, len(patterns)))


def scan_of_ptylab(source: Source | ArraySource, patterns: Stored, metres: NDArray[np.float64]) -> RawScan:
    """The scan of a source with patterns `(n, H, W)` at the places `(n, 2)` of the beam on the sample in metres."""
    if source.find("zled") is not None:
        raise source.error("is a Fourier ptychography scan (zled)", "only real-space scans can be reconstructed")
    if source.find("orientation") is not None and source.real("orientation").any():
        found = source.array("orientation")
        raise source.error(f"orientation is {found}, its frames are turned", "store them turned, with orientation 0")
    detector = source.number("dxd")
    position, geometry = far_field(
        metres,
        energy_j=PLANCK_TIMES_LIGHT / source.number("wavelength"),
        distance_m=source.number("zo"),
        detector_pixel_m=(detector, detector),
        frame=(patterns.shape[1], patterns.shape[2]),
    )
    probe, probe_key, probe_pixel_m, remarks = _probe(source)
    scan = RawScan(
        path=source.path,
        dialect="PtyLab",
        key=PTYCHOGRAM,
        patterns=patterns,
        position_yx=position,
        probe=probe,
        probe_key=probe_key,
        probe_pixel_m=probe_pixel_m,
        geometry=geometry,
        remarks=remarks,
    )
    return refuse_near_field(with_mask(scan, source.mask()))


def _probe(source: Source | ArraySource) -> StoredProbe:
    """As `Source.probe`; in results of PtyLab the modes `(1, 1, P, 1, N, N)` are the third of six axes."""
    if source.find("probe") is not None:
        stored = source.array("probe")
        if stored.ndim == 6 and stored.shape[0] == stored.shape[1] == stored.shape[3] == 1:
            modes, remarks = mode_stack(source.path, "probe", stored[0, 0, :, 0])
            return modes, "probe", source.pixel_m("probe"), remarks
    return source.probe()


def beam_positions(source: Source | ArraySource, count: int) -> NDArray[np.float64]:
    """The places `(n, 2)` in m of the beam for count patterns of a source; `(2, n)` is the same list the other way
    round."""
    found = source.array("encoder")
    if found.shape == (2, count) and count != 2:
        found = found.T
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "uif" or not len(found):
        raise source.error(f"encoder must be (n, 2), rows then columns, its shape is {found.shape}")
    return found.astype(np.float64)
