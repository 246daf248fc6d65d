"""The memory that is free, what does not fit into it, and what can be given back."""

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def shortage(needed: int, free: int | None = None, gpu_free: int | None = None) -> str:
    """A sentence with both numbers where the bytes `needed` are more than the `free` ones, by default those of
    `free_bytes`, or than `gpu_free`, those of a GPU, if one computes; empty where they fit."""
    free = free_bytes() if free is None else free
    for place, room in (("memory", free), ("GPU memory", needed if gpu_free is None else gpu_free)):
        if needed > room:
            return f"needs {_in_words(needed)} of {place}, of which {_in_words(room)} are free"
    return ""


def free_bytes(processes: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process can still take: those that the machine has free, or would free of its caches, and that
    the limits of its control groups leave.

    processes, groups: where Linux shows them; elsewhere the whole memory of the machine.
    """
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = re.search(r"^MemAvailable: +(\d+) kB", _text(processes / "meminfo"), re.MULTILINE)
    if found is not None:
        free = min(free, int(found[1]) * 2**10)
    return max(0, min([free, *_left_in_groups(_text(processes / "self" / "cgroup"), groups)]))


def give_back() -> None:
    """Give freed memory back to the system, where the C library has a call for it.

    By itself it keeps what lies between arrays that stay: 13 MiB for each of many scans that are read one after the
    other.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _left_in_groups(own: str, groups: Path) -> Iterator[int]:
    """Bytes that each control group above this process leaves; own: the text that names its groups."""
    for line in own.splitlines():
        _, controllers, place = line.split(":", 2)
        # Version 2 has no controllers there, version 1 a tree for each.
        if controllers and "memory" not in controllers.split(","):
            continue
        root = groups / "memory" if controllers else groups
        limit, used = ("memory.limit_in_bytes", "memory.usage_in_bytes") if controllers else _VERSION_2
        folder = root / place.lstrip("/")
        for above in (folder, *folder.parents):
            if not above.is_relative_to(root):
                break
            most, now = _text(above / limit).strip(), _text(above / used).strip()
            cached = re.search(r"^inactive_file (\d+)", _text(above / "memory.stat"), re.MULTILINE)
            if most.isdecimal() and now.isdecimal():
                yield int(most) - int(now) + (int(cached[1]) if cached else 0)


_VERSION_2 = ("memory.max", "memory.current")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _in_words(count: int) -> str:
    power = min(max(0, (count.bit_length() - 1) // 10), len(_UNITS) - 1)
    return f"{count / 2 ** (10 * power):.3g} {_UNITS[power]}"
