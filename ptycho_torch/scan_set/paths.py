"""Paths that mean many scans. Nothing here imports torch."""

from pathlib import Path

LIST = ".txt"


def means_many(path: Path) -> bool:
    """Whether a path means a set of scans: a folder, a name with `*`, or a text file that lists scans."""
    return path.is_dir() or ("*" in path.name and not path.exists()) or path.suffix.lower() == LIST
