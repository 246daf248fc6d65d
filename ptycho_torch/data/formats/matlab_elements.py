"""The elements of a MATLAB file of version 5 to 7, checked before scipy reads them, whose reader crashes where an array
holds less than its dimensions say.

MAT-File Format, The MathWorks: a header of 128 bytes, then elements of a type, a size and values, which a compressed
element holds deflated.
"""

import math
import struct
import zlib
from pathlib import Path

from ptycho_torch.errors import DataError

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_NUMERIC, _COMPLEX = range(6, 16), 0x800
# Deflate makes at most this of a byte.
MOST_COMPRESSION = 1032


def check_elements(path: Path) -> None:
    """Raise DataError where an element of the file at path ends outside of it, or an array of numbers does not hold
    what its dimensions say."""
    data = path.read_bytes()
    order = "<" if data[126:128] == b"IM" else ">"
    place = _HEADER
    try:
        while place < len(data):
            kind, size, start, following = _tag(data, place, order)
            if kind == _COMPRESSED:
                following = start + size
                inner = zlib.decompressobj().decompress(data[start:following], MOST_COMPRESSION * size)
                kind, size, start, _ = _tag(inner, 0, order)
                _check_array(inner, start, start + size, kind, order)
            else:
                _check_array(data, start, start + size, kind, order)
            place = following
    except (struct.error, zlib.error, ValueError) as error:
        raise DataError(str(path), f"is damaged: {error}", "copy it again") from None


def _tag(data: bytes, place: int, order: str) -> tuple[int, int, int, int]:
    """The type and the size of the element at a place, where its values start, and where the next one is."""
    first, size = struct.unpack_from(f"{order}II", data, place)
    if first >> 16:
        # A small element holds its values where others have their size.
        kind, size, start = first & 0xFFFF, first >> 16, place + 4
        following = place + 8
    else:
        kind, start = first, place + 8
        following = start + -(-size // 8) * 8
    if start + size > len(data):
        raise ValueError(f"an element at byte {place} ends outside of it")
    return kind, size, start, following


def _check_array(data: bytes, place: int, end: int, kind: int, order: str) -> None:
    """Raise ValueError where an array of numbers between two places does not hold what it declares."""
    if kind != _MATRIX:
        raise ValueError(f"its elements are of type {kind}, not arrays")
    kind, size, start, place = _tag(data, place, order)
    if kind != 6 or size != 8:
        raise ValueError("an array has no flags")
    (flags,) = struct.unpack_from(f"{order}I", data, start)
    if flags & 0xFF not in _NUMERIC:
        return  # not read
    kind, size, start, place = _tag(data, place, order)
    if kind != 5 or size < 8 or size % 4 or size > 128:
        raise ValueError("an array has no dimensions")
    shape = struct.unpack_from(f"{order}{size // 4}i", data, start)
    kind, size, _, place = _tag(data, place, order)
    if kind != 1 or min(shape) < 0:
        raise ValueError("an array has no name, or negative dimensions")
    for _part in range(2 if flags & _COMPLEX else 1):
        kind, size, start, place = _tag(data, place, order)
        if kind not in _SIZES or size != math.prod(shape) * _SIZES[kind] or start + size > end:
            raise ValueError(f"an array of {shape} has {size} bytes of type {kind}")
