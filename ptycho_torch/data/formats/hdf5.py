"""Layouts of HDF5 as readers: each is recognised by a key that the file has."""

from collections.abc import Callable

import attrs

from ptycho_torch.data.formats.reader import READERS, ScanFile
from ptycho_torch.data.formats.source import Source
from ptycho_torch.data.raw import RawScan

Layout = Callable[[Source], RawScan]


@attrs.frozen
class Hdf5Reader:
    """Reads HDF5 files that have `key` and not `without` with the function `layout`."""

    key: str
    without: str | None
    layout: Layout

    def recognise(self, file: ScanFile) -> bool:
        """Whether the keys of the file are those of this layout."""
        return file.hdf5 is not None and self.key in file.hdf5 and not (self.without and self.without in file.hdf5)

    def read(self, file: ScanFile) -> RawScan:
        """All but the patterns. Raises DataError."""
        return self.layout(Source(file.path, file.hdf5, file.opened))


def hdf5_layout(name: str, key: str, *, without: str | None = None) -> Callable[[Layout], Layout]:
    """Register a function as the reader `name` of HDF5 files that have `key` and not `without`."""

    def register(layout: Layout) -> Layout:
        READERS.add(name)(Hdf5Reader(key, without, layout))
        return layout

    return register
