"""Diffraction patterns that stay in their file until they are needed."""

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.errors import DataError
from ptycho_torch.records import Patterns

# As many patterns as are read at once, and the memory they may take.
CHUNK, CHUNK_BYTES = 1024, 64 * 2**20
# Scans up to this size are kept in memory, where a batch is one gather.
IN_MEMORY_BYTES = 64 * 2**20


@attrs.frozen(eq=False)
class StoredPatterns:
    """Intensities `(n, N, N)` float32, read from `stored` when they are indexed.

    stored: an array-like `(n, N, N)`, or `(N, N, n)` where `patterns_last`; squared: it holds
    amplitudes; rows: the patterns of it that are used, sorted, None for all; valid_pixels
    `(N, N)` bool: where False, 0 is given instead of the stored value; None gives all as stored.
    """

    stored: Any
    patterns_last: bool = False
    squared: bool = False
    rows: NDArray[np.int64] | None = None
    valid_pixels: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(n, N, N)`."""
        first, second, third = self.stored.shape
        if self.patterns_last:
            first, second, third = third, first, second
        return (first if self.rows is None else len(self.rows)), second, third

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """Chosen patterns; an index array must be sorted and without repeats."""
        if self.rows is not None:
            rows = self.rows[rows]
        part = np.moveaxis(self.stored[..., rows], -1, 0) if self.patterns_last else self.stored[rows]
        intensity = np.require(part, np.float32, ["C", "W"])
        if self.valid_pixels is not None:
            intensity = np.where(self.valid_pixels, intensity, np.float32(0))
        return np.square(intensity) if self.squared else intensity


def chunks(patterns: Patterns, most: int = CHUNK) -> Iterator[NDArray[np.float32]]:
    """All patterns in order, at most so many at a time."""
    frame = 4 * int(np.prod(patterns.shape[1:]))
    step = max(1, min(most, CHUNK_BYTES // max(frame, 1)))
    for start in range(0, len(patterns), step):
        yield patterns[start : start + step]


def mean_intensity(patterns: Patterns, at_once: int = CHUNK) -> float:
    """`<I>` over all patterns and pixels, summed in float64, at_once patterns at a time."""
    total = sum(float(part.sum(dtype=np.float64)) for part in chunks(patterns, at_once))
    return total / float(np.prod(patterns.shape, dtype=np.float64))


@attrs.frozen(eq=False)
class StreamedAmplitude:
    """`sqrt(I / <I>)` in FFT order, read when it is indexed by patterns; takes the place of the
    tensor `(n, N, N)` of a scan that fits in memory."""

    patterns: Patterns
    mean: float

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, N, N)`."""
        return self.patterns.shape

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Amplitudes `(..., N, N)` of patterns `(...)`."""
        unique, place = np.unique(rows.numpy(), return_inverse=True)
        amplitude = amplitude_of(self.patterns[unique], self.mean)
        return amplitude[torch.from_numpy(place.reshape(rows.shape))]


def amplitude_of(intensity: NDArray[np.float32], mean: float) -> Tensor:
    """`sqrt(I / <I>)`, zero frequency moved from the centre to the corner.

    intensity: I, float32 `(n, N, N)`; mean: `<I>` in the same unit. Needs little more memory than its result.
    """
    # Memory of torch begins at whole cache lines. That of NumPy need not, and on it MKL may round otherwise,
    # so that a run repeated in another process would end with other weights.
    amplitude = torch.empty(intensity.shape)
    for start in range(0, len(intensity), CHUNK):
        part = np.fft.ifftshift(intensity[start : start + CHUNK], axes=(-2, -1))
        np.sqrt(part / np.float32(mean), out=amplitude[start : start + CHUNK].numpy())
    return amplitude


@attrs.frozen(eq=False)
class FileRows:
    """Rows of an array that lies in C order at `offset` of a file, read when they are indexed.

    Not a memory map: pages of a map count as memory of the process.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """All with `...`, a slice, or rows that are sorted and without repeats."""
        chosen = np.arange(len(self))[rows]
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        if len(chosen) == 0:
            return found
        size = int(np.prod(self.shape[1:])) * self.dtype.itemsize
        breaks = (np.flatnonzero(np.diff(chosen) != 1) + 1).tolist()
        starts = self.offset + chosen[[0, *breaks]].astype(np.int64) * size
        view = found.reshape(-1).view(np.uint8).data
        with self.path.open("rb", buffering=0) as stream:
            for start, first, last in zip(starts.tolist(), [0, *breaks], [*breaks, len(chosen)], strict=True):
                stream.seek(start)
                _read_all(stream, view[first * size : last * size])
        return found


def _read_all(stream: FileIO, into: memoryview) -> None:
    """Fill a buffer; one read gives 2 GiB at most. Raises DataError."""
    while into:
        count = stream.readinto(into)
        if not count:
            raise DataError(str(stream.name), "ends within its patterns", "copy the file again")
        into = into[count:]
