"""An opened scan file: the record that every reader gives, before its values are checked."""

import builtins
import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, Self

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.masks import Mask
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry

MOST_MODES = 256
# No detector is larger, and one pattern of this side is a quarter of a gigabyte.
MOST_SIDE_PX = 8192
# No length, energy or number of photons lies outside.
_LEAST, _MOST = 1e-40, 1e40


class Stored(Protocol):
    """An array in a file, or in memory: read when it is indexed by `...` for all of it, by a slice, or by
    rows that are sorted and without repeats."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    def __getitem__(self, rows: Any, /) -> NDArray[Any]: ...


@attrs.frozen(eq=False)
class RawScan:
    """A scan as it was opened: small arrays as they are in the file, and handles of the large ones.

    Its files stay open until it is closed; a handle that is read afterwards opens its file again.

    path: the file; dialect: its format, for people.
    key, patterns: name and handle of the patterns, real `(n, N, N)`, or `(N, N, n)` where patterns_last.
    position_yx: float64 `(n, 2)` in object pixels, patch centres; origin_known: False where the file does
    not say where in the first pixel position 0 lies.
    amplitudes: the format says that the patterns are square roots of counts, whatever options say.
    probe: complex `(P, N, N)` under the name probe_key; None where the file has none; probe_pixel_m: its pixel (y, x),
    where the file states it.
    rows: the patterns that have a position, int64, sorted; None for all.
    valid_pixels: bool `(N, N)`, True where the detector measured; None for all. The values of the others are read as 0,
    whatever they are; mask_key: its name in the file.
    geometry, nphotons: as far as the file states them.
    object, object_key: handle and name of an object on the pixels of the positions, complex `(H, W)` or `(1, H, W)`;
    label, label_key: of the object patch of each pattern, complex `(n, N, N)`. remarks: a sentence for everything in
    the file that is not used; refusal: why the scan cannot be reconstructed at all; descriptor: that
    of the open file, None once it is closed; stamp: its `file_stamp` before it was read; opened: closes the files.
    """

    path: Path
    dialect: str
    key: str
    patterns: Stored
    position_yx: NDArray[np.float64]
    probe: NDArray[Any] | None
    probe_key: str = "probe"
    probe_pixel_m: tuple[float, float] | None = None
    rows: NDArray[np.int64] | None = None
    patterns_last: bool = False
    origin_known: bool = True
    amplitudes: bool = False
    valid_pixels: NDArray[np.bool_] | None = None
    mask_key: str = "bad_pixels"
    geometry: Geometry | None = None
    nphotons: float | None = None
    object: Stored | None = None
    object_key: str = "object"
    label: Stored | None = None
    label_key: str = "label"
    remarks: tuple[str, ...] = ()
    refusal: DataError | None = None
    descriptor: Callable[[], int | None] = attrs.field(default=lambda: None, repr=False)
    stamp: tuple[int, int] | None = attrs.field(default=None, repr=False)
    opened: ExitStack = attrs.field(factory=ExitStack, repr=False)

    def close(self) -> None:
        """Close the files of the scan."""
        self.opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: builtins.object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """The number of patterns."""
        if self.rows is not None:
            return len(self.rows)
        return self.patterns.shape[2 if self.patterns_last else 0]

    @property
    def frame(self) -> tuple[int, int]:
        """`(H, W)` of a pattern."""
        shape = self.patterns.shape
        return (shape[0], shape[1]) if self.patterns_last else (shape[1], shape[2])


def with_mask(scan: RawScan, mask: Mask | None) -> RawScan:
    """The scan with a mask that was read for it, if there is one."""
    if mask is None:
        return scan
    return attrs.evolve(scan, valid_pixels=mask.valid, mask_key=mask.key, remarks=(*scan.remarks, *mask.remarks))


def own_output_error(path: Path, otherwise: str = "") -> DataError:
    """The error for a path with an output of this package in the place of a scan; otherwise: another fix."""
    return DataError(str(path), "is an output of ptycho, not a scan", f"move it elsewhere{otherwise}")


def mode_stack(path: Path, key: str, stored: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """A probe as `(P, N, N)`, and remarks on what of it is not used.

    path, key: of the probe, for errors; stored: `(N, N)` or `(N, N, 1)`, one mode; `(P, N, N)`; or
    `(O, P, N, N)`, of whose O coherent (OPR) modes only the first is used. Raises DataError for any other.
    """
    remarks: tuple[str, ...] = ()
    if stored.dtype.kind not in "uifc":
        raise DataError(str(path), f"{key} must be complex, its type is {stored.dtype}")
    if stored.ndim == 4 and len(stored):
        if len(stored) > 1:
            remarks = (f"{key} holds {len(stored)} coherent (OPR) modes, only the first is used",)
        stored = stored[0]
    if stored.ndim == 3 and stored.shape[2] == 1:
        stored = stored[..., 0]
    if stored.ndim not in (2, 3) or stored.size == 0:
        raise DataError(str(path), f"{key} must be (N, N) or (modes, N, N) or (OPR, modes, N, N), not {stored.shape}")
    if math.prod(stored.shape[:-2]) > MOST_MODES or max(stored.shape[-2:]) > MOST_SIDE_PX:
        most = f"{MOST_MODES} modes of {MOST_SIDE_PX} px at most are read"
        raise DataError(str(path), f"{key} has the shape {stored.shape}, {most}")
    return (stored if stored.ndim == 3 else stored[None]), remarks


def positive_number(path: Path, key: str, stored: NDArray[Any]) -> float:
    """A stored array as the one number above 0 that it holds. Raises DataError, which names path and key."""
    if stored.dtype.kind not in "uif" or stored.size != 1 or not _LEAST < stored.item() < _MOST:
        raise DataError(str(path), f"{key} must be one number above 0, got {stored!r}")
    return float(stored.item())


def real_numbers(path: Path, key: str, stored: NDArray[Any]) -> NDArray[np.float64]:
    """A stored array of real numbers as float64. Raises DataError, which names path and key."""
    if stored.dtype.kind not in "uif":
        raise DataError(str(path), f"{key} must hold real numbers, its type is {stored.dtype}")
    return stored.astype(np.float64)
