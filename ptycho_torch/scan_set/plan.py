"""The scans of a set, and the folder of each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import attrs

from ptycho_config import Sources
from ptycho_torch.data.readers import scan_files
from ptycho_torch.errors import DataError
from ptycho_torch.scan_set.paths import LIST


@attrs.frozen
class Task:
    """One scan of a set: its file, the folder of its results, the network, and the layers of options."""

    scan: Path
    folder: Path
    model: Path
    sources: Sources = attrs.field(eq=False)


def plan_tasks(path: Path, folder: Path, model: Path, sources: Sources) -> tuple[Task, ...]:
    """A task for each scan that a path means, see `scan_set.paths`.

    folder: of the set; each scan has a folder in it, with the name of its file, and with that of the file's folder
    before it where several files have one name. A line of a list is a path, relative to the list; empty lines and
    those that begin with # do not count. model: the bundle; sources: for all of them. Raises DataError.
    """
    scans = find_scans(path)
    places = [folder.absolute() / name for name in _names(scans)]
    where = model.absolute()
    return tuple(Task(scan.absolute(), place, where, sources) for scan, place in zip(scans, places, strict=True))


def find_scans(path: Path) -> list[Path]:
    """The scans that a path means: those that a list names, or `data.readers.scan_files`. Raises DataError."""
    if path.suffix.lower() != LIST or path.is_dir():
        return scan_files(path)
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(str(path), f"cannot be read as a list of scans: {error}") from None
    scans = [path.parent / line for line in lines if line and not line.startswith("#")]
    if not scans:
        raise DataError(str(path), "lists no scan", "one path on each line")
    missing = next((scan for scan in scans if not scan.exists()), None)
    if missing is not None:
        raise DataError(str(path), f"lists {missing}, which is not there", "paths are relative to the list")
    return scans


def _names(scans: Sequence[Path]) -> list[str]:
    """A name for each scan: the shortest kind that is different for all."""
    kinds = ([s.stem for s in scans], [s.name for s in scans], [f"{s.absolute().parent.name}_{s.name}" for s in scans])
    for names in kinds:
        if len(set(names)) == len(names):
            return names
    twice = Counter(kinds[-1]).most_common(1)[0][0]
    raise DataError(twice, "names several scans of the set", "reconstruct them in two sets, or rename a folder")
