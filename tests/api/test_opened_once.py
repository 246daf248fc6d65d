"""A scan file that fits in memory is opened once in a run."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import pytest

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, reconstruct, train
from ptycho_torch.cli.main import main
from ptycho_torch.data.readers import open_scan, read_scan
from tests.runs import SMALL

# An audit hook stays for the life of the process; it counts only while a path is watched.
_WATCHED: dict[str, Counter[str]] = {}


def _count(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        counter = _WATCHED.get(os.fspath(arguments[0]))
        if counter is not None:
            counter["python"] += 1


sys.addaudithook(_count)


@contextmanager
def _openings(path: Path) -> Iterator[Counter[str]]:
    """How often the file is opened by Python and, which Python does not see, by the HDF5 library."""
    counter, opened = Counter[str](), h5py.File.__init__

    def counted(self: h5py.File, name: Any, *arguments: Any, **options: Any) -> None:
        counter["hdf5"] += str(name) == str(path)
        opened(self, name, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5py.File, "__init__", counted)
        _WATCHED[str(path)] = counter
        try:
            yield counter
        finally:
            del _WATCHED[str(path)]


NPZ, HDF5 = Counter(python=1), Counter(hdf5=1)


def _scan(kind: str, scan_file: Path, layouts: Any, folder: Path) -> tuple[Path, Counter[str]]:
    if kind == "npz":
        return scan_file, NPZ
    return layouts.write(folder / "scan.h5", layouts.training_data()), HDF5


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_a_training_and_a_reconstruction_open_their_scan_once(
    kind: str, scan_file: Path, layouts: Any, tmp_path: Path
) -> None:
    """Facts, positions, probe, mask, patterns and the digest of the record come from one opening."""
    path, expected = _scan(kind, scan_file, layouts, tmp_path)
    with _openings(path) as counted:
        run = train(path, tmp_path / "out", sources=Sources(overrides=SMALL), legacy={})
    assert +counted == expected
    with _openings(path) as counted:
        reconstruct(path, tmp_path / "made", model=run.bundle, legacy={})
    assert +counted == expected


@pytest.mark.parametrize("kind", ["npz", "hdf5"])
def test_a_dry_run_opens_its_scan_no_more_often(
    kind: str, trained: TrainingRun, scan_file: Path, layouts: Any, tmp_path: Path
) -> None:
    """It checks every value that the run would read."""
    path, expected = _scan(kind, scan_file, layouts, tmp_path)
    for command in (["train", str(path)], ["infer", "--model_path", str(trained.bundle), str(path)]):
        with _openings(path) as counted:
            assert main([*command, "--output_dir", str(tmp_path / "out"), "--dry-run"]) == 0
        assert +counted == expected


def test_reading_by_path_after_opening_is_counted(scan_file: Path) -> None:
    """A second opening of the same scan does not escape."""
    with _openings(scan_file) as counted:
        open_scan(scan_file)
        read_scan(scan_file, "count_intensity")
    assert counted["python"] == NPZ["python"] + 1
