"""Golden vectors as they are read: arrays by name, each decompressed when it is asked for."""

import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tests.parity.physics.verdict import Array


class Vectors(Mapping[str, Array]):
    """The arrays of an NPZ file; a damaged one is an error for those who ask for it."""

    def __init__(self, path: Path) -> None:
        self._arrays = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if not isinstance(self._arrays, np.lib.npyio.NpzFile):
            raise zipfile.BadZipFile(f"{path.name} is not an NPZ file")
        self._read: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        if name not in self._read:
            self._read[name] = self._arrays[name]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays.files)

    def __len__(self) -> int:
        return len(self._arrays.files)

    def close(self) -> None:
        """Close the file."""
        self._arrays.close()


def tensor(values: Array) -> Tensor:
    """In double precision, so that rounding is theirs alone."""
    made = torch.from_numpy(np.ascontiguousarray(values))
    return made.to(torch.complex128) if made.is_complex() else made.double()


def yx(offsets: Array) -> Tensor:
    """`[x, y]` in the last axis of `(..., 1, 2)` to (y, x) in `(..., 2)`."""
    return tensor(offsets)[..., 0, :].flip(-1)


def centred(patterns: Tensor) -> Tensor:
    """Zero frequency from the corner to the centre."""
    return torch.fft.fftshift(patterns, dim=(-2, -1))
