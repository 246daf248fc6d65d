"""Damage to files: of bytes, and of what an HDF5 file or an archive of arrays holds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Larger arrays are only declared.
_LARGE = 2**20
EDGES = (0, 1, 0x7F, 0x80, 0xFF)


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    # Headers are at the start, the directory of a ZIP archive at the end.
    zone = rng.choice([min(len(data), 4096), len(data)])
    for _ in range(int(rng.integers(1, 9))):
        place = int(rng.integers(zone))
        data[place if rng.random() < 0.8 else -1 - place] = int(
            rng.choice(EDGES) if rng.random() < 0.5 else rng.integers(256)
        )


def _number(data: bytearray, rng: np.random.Generator) -> None:
    size = int(rng.choice([2, 4, 8]))
    place = int(rng.integers(max(1, min(len(data), 8192) - size)))
    value = (
        int(rng.choice([0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size) - 1, 2 ** (4 * size)], replace=True))
        if size < 8
        else -1
    )
    data[place : place + size] = (value % 2 ** (8 * size)).to_bytes(size, "little")


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(len(data))) :]


def _blank(data: bytearray, rng: np.random.Generator) -> None:
    start, length = int(rng.integers(len(data))), int(rng.choice([16, 512, 4096]))
    length = min(length, len(data) - start)
    data[start : start + length] = bytes(length)


def _insert(data: bytearray, rng: np.random.Generator) -> None:
    start, length = int(rng.integers(len(data))), int(rng.integers(1, 64))
    data[start:start] = data[start : start + length]


def _remove(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 64))]


BYTES: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _flip,
    _flip,
    _number,
    _cut,
    _blank,
    _insert,
    _remove,
)


def damage_bytes(path: Path, rng: np.random.Generator) -> None:
    """Change bytes of a file."""
    data = bytearray(path.read_bytes())
    BYTES[int(rng.integers(len(BYTES)))](data, rng)
    path.write_bytes(data)


def odd_values(rng: np.random.Generator, old: Any) -> Any:
    """A value of another type, shape or size than the old array."""
    old = np.asarray(old)
    numeric = old.dtype.kind in "uifcb"
    values: list[Any] = [
        "text",
        np.bytes_(b"\xff\xfe"),
        np.float64("nan"),
        np.float64("inf"),
        -1.0,
        0,
        2**63 - 1,
        1e308,
        5e-324,
        np.zeros(0),
        np.zeros((0, 16, 16)),
        np.ones(3),
        np.ones((3, 3)),
        np.array([["a", "b"]], "S1"),
        True,
        1 + 2j,
        np.zeros(2, [("a", "f8"), ("b", "i4")]),
        old[None],
        old.ravel(),
        old.T,
        old[:-1] if old.ndim else old,
    ]
    if numeric:
        values += [old.astype(kind) for kind in ("f2", "c16", "i1", "S4", "?", ">f4")]
        values += [old * np.float64("nan"), -np.ones_like(old, np.float64) * 1e30, old.astype(np.float64) * 1e30]
    return values[int(rng.integers(len(values)))]


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def damage_hdf5(path: Path, rng: np.random.Generator) -> None:
    """Replace one or two entries of a file by odd ones."""
    with h5py.File(path, "a") as file:
        for _ in range(int(rng.integers(1, 3))):
            names = [name for name in _datasets(file) if file[name].size is None or file[name].size < _LARGE]
            if not names:
                return
            _replace(file, names[int(rng.integers(len(names)))], rng)


def _replace(file: h5py.File, name: str, rng: np.random.Generator) -> None:
    stored = file[name]
    old = stored[()] if stored.shape is not None else np.zeros(1)
    attributes = dict(stored.attrs)
    kind = rng.random()
    if kind < 0.15:
        key = str(rng.choice([*attributes, "units", "pixel_height_m"]))
        stored.attrs[key] = _storable(odd_values(rng, attributes.get(key, 1.0)))
        return
    del file[name]
    if kind > 0.5:
        file[name] = _storable(odd_values(rng, old))
        file[name].attrs.update(attributes)
        return
    links: list[Any] = [h5py.SoftLink(f"/{name}"), h5py.SoftLink("/not/there"), h5py.Empty("f8"), file["/"]]
    outside = ("none.h5", "/etc/passwd", "/dev/zero", ".", Path(file.filename).name)
    links += [h5py.ExternalLink(str(rng.choice(outside)), name)]
    shape = tuple(int(length) for length in rng.choice([2**40, 2**20, 16, 1], rng.integers(1, 4)))
    made: list[Callable[[], object]] = [
        lambda: file.create_group(name),
        lambda: file.create_dataset(name, shape, "u1", chunks=tuple(min(length, 16) for length in shape)),
        lambda: None,
        *(lambda link=link: file.__setitem__(name, link) for link in links),
    ]
    made[int(rng.integers(len(made)))]()


def _storable(value: Any) -> Any:
    return "text" if getattr(value, "dtype", np.dtype(float)).kind == "U" else value


def damage_arrays(path: Path, rng: np.random.Generator) -> None:
    """Replace one or two arrays of an NPZ by odd ones."""
    with np.load(path) as archive:
        arrays = dict(archive)
    for _ in range(int(rng.integers(1, 3))):
        name = list(arrays)[int(rng.integers(len(arrays)))]
        if rng.random() < 0.1:
            del arrays[name]
        else:
            arrays[name] = np.asarray(odd_values(rng, arrays[name]))
    np.savez(path, **arrays)
