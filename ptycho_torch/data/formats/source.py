"""Reading fields of an open HDF5 file, with errors that name file and field."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.damage import damage_as_error
from ptycho_torch.data.formats.hdf5_rows import Hdf5Rows, check_readable, names_in, open_for_reading
from ptycho_torch.data.formats.hdf5_safety import SMALL_ARRAY_BYTES, check_links
from ptycho_torch.data.geometry import ELECTRONVOLT
from ptycho_torch.data.masks import NAMES, Mask, join_masks, read_mask, refuse_ambiguous
from ptycho_torch.data.raw import mode_stack, positive_number, real_numbers
from ptycho_torch.errors import DataError

_MICRONS = ("um", "\N{MICRO SIGN}m", "\N{GREEK SMALL LETTER MU}m", "micron", "microns")
_LENGTHS = {
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0),
    **dict.fromkeys(("mm", "millimetre"), 1e-3),
    **dict.fromkeys(_MICRONS, 1e-6),
    "nm": 1e-9,
    **dict.fromkeys(("angstrom", "Angstrom", "\N{ANGSTROM SIGN}", "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}"), 1e-10),
    "pm": 1e-12,
}
_ENERGIES = {"j": 1.0, "joule": 1.0, "joules": 1.0, "ev": ELECTRONVOLT, "kev": 1e3 * ELECTRONVOLT}
_PIXEL = ("pixel_height_m", "pixel_width_m")
# A probe `(P, N, N)` or None, its key, its pixel (y, x) in m where that is known, and remarks.
StoredProbe = tuple[NDArray[Any] | None, str, tuple[float, float] | None, tuple[str, ...]]


@attrs.frozen(eq=False)
class Source:
    """An open file and its path; opened closes it, and what else is entered there, after it was read."""

    path: Path
    file: h5py.File
    opened: ExitStack

    def open_partner(self, path: Path) -> "Source":
        """Another file of the same scan, closed together with this one. Raises DataError."""
        return Source(path, self.opened.enter_context(open_for_reading(path)), self.opened)

    def error(self, message: str, hint: str = "") -> DataError:
        """A DataError about this file."""
        return DataError(str(self.path), message, hint)

    def dataset(self, key: str) -> h5py.Dataset:
        """The dataset at `key`, readable."""
        found = self.find(key)
        if found is None:
            raise self.error(f"has no {key}; it holds {names_in(self.file)}")
        return found

    def find(self, key: str) -> h5py.Dataset | None:
        """The dataset at `key`, or None. A link to a file that is not there is an error."""
        check_links(self.path, self.file, key)
        try:
            found = self.file[key]
        except (KeyError, OSError, RuntimeError):
            self._check_links(key)
            return None
        if not isinstance(found, h5py.Dataset):
            return None
        if found.shape is None:
            raise self.error(f"{key} is empty")
        check_readable(self.path, found)
        return found

    def _check_links(self, key: str) -> None:
        parts = key.split("/")
        for end in range(1, len(parts) + 1):
            place = "/".join(parts[:end])
            link = self.file.get(place, getlink=True) if place else None
            if isinstance(link, h5py.ExternalLink):
                where = f"{link.filename}:{link.path}"
                raise self.error(f"{place} is a link to {where}, which is not there", "copy all its files")
            if link is None or place not in self.file:
                return

    def array(self, key: str) -> NDArray[Any]:
        """The whole of a small array."""
        found = self.dataset(key)
        if (size := found.size * found.dtype.itemsize) > SMALL_ARRAY_BYTES:
            raise self.error(f"{key} has {size / 2**30:.3g} GiB, more than an array next to the patterns can have")
        with damage_as_error(self.path, key):
            return np.asarray(found[()])

    def real(self, key: str) -> NDArray[np.float64]:
        """The whole of a small array of real numbers."""
        return real_numbers(self.path, key, self.array(key))

    def rows(self, key: str, *, ndim: tuple[int, ...] = (3,)) -> Hdf5Rows:
        """Patterns that stay in the file."""
        found = self.find(key)
        if found is None or found.ndim not in ndim or 0 in found.shape[-2:]:
            shape = None if found is None else found.shape
            raise self.error(f"{key} must be an array (n, N, N), its shape is {shape}")
        return Hdf5Rows.of(self.path, key, found)

    def stored(self, key: str) -> Hdf5Rows:
        """An array that stays in the file."""
        return Hdf5Rows.of(self.path, key, self.dataset(key))

    def number(self, key: str) -> float:
        """One number above 0."""
        return positive_number(self.path, key, self.array(key))

    def known(self, name: str) -> float | None:
        """A number above 0 that is a dataset or an attribute of the file; None where it is missing or 0,
        which is how unknown numbers are written."""
        stored = self.array(name) if name not in self.file.attrs and self.find(name) is not None else None
        value = np.asarray(self.file.attrs.get(name, 0) if stored is None else stored)
        if value.dtype.kind not in "uif" or value.size != 1 or not 0 <= value.item() < np.inf:
            raise self.error(f"{name} must be one number, not below 0, got {value!r}")
        return float(value.item()) or None

    def attribute(self, key: str, name: str) -> float:
        """A finite number that belongs to a dataset."""
        value = np.asarray(self.dataset(key).attrs.get(name))
        if value.dtype.kind not in "uif" or value.size != 1 or not np.isfinite(value.item()):
            raise self.error(f"{key} has no finite attribute {name}, got {value!r}")
        return float(value.item())

    def length(self, key: str) -> float:
        """One length above 0 in m, from its `units`."""
        return self.number(key) * self.unit(key, _LENGTHS)

    def length_or_metres(self, key: str) -> float:
        """One length above 0 in m, which it is in where it has no `units`."""
        return self.length(key) if "units" in self.dataset(key).attrs else self.number(key)

    def energy(self, key: str) -> float:
        """One energy above 0 in J, from its `units`."""
        return self.number(key) * self.unit(key, _ENERGIES, lower=True)

    def lengths(self, key: str) -> NDArray[np.float64]:
        """Lengths in m, from their `units`."""
        return self.real(key) * self.unit(key, _LENGTHS)

    def unit(self, key: str, table: dict[str, float], *, lower: bool = False) -> float:
        """The `units` of a dataset in SI."""
        text = text_of(self.dataset(key).attrs.get("units"))
        size = table.get(text.lower() if lower else text)
        if size is None:
            raise self.error(f"{key} has the units {text!r}", f"known are {', '.join(table)}")
        return size

    def pixel_m(self, key: str) -> tuple[float, float] | None:
        """The attributes `pixel_height_m` and `pixel_width_m` of a dataset, None where it has neither."""
        if not any(name in self.dataset(key).attrs for name in _PIXEL):
            return None
        height, width = (self.attribute(key, name) for name in _PIXEL)
        if min(height, width) <= 0:
            raise self.error(f"{key} has pixels of {height} x {width} m, they must be above 0")
        return height, width

    def probe(self, *keys: str) -> StoredProbe:
        """The probe at the first of the keys, or at `probe`."""
        for key in (*keys, "probe"):
            if self.find(key) is not None:
                modes, remarks = mode_stack(self.path, key, self.array(key))
                return modes, key, self.pixel_m(key), remarks
        return None, f"probe (looked for {', '.join((*keys, 'probe'))})", None, ()

    def mask(self, *keys: str) -> Mask | None:
        """The pixels that every mask among the keys, or of the root, finds valid; None where the file has none."""
        found = [key for key in (*keys, *NAMES) if self.find(key) is not None]
        if not found:
            refuse_ambiguous(self.path, self.file)
        return self.masks(found)

    def masks(self, keys: Sequence[str]) -> Mask | None:
        """The masks at all of the keys as one."""
        with damage_as_error(self.path, " or ".join(keys)):
            return join_masks(self.path, [read_mask(self.path, key, self.dataset(key)) for key in keys])


def text_of(stored: Any) -> str:
    """A stored text, in any of the forms of HDF5; empty where there is none."""
    value = stored.item() if isinstance(stored, np.ndarray | np.generic) and stored.size == 1 else stored
    return (
        value.decode(errors="replace").strip()
        if isinstance(value, bytes)
        else str("" if value is None else value).strip()
    )
