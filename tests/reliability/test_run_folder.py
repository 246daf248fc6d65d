"""A folder is for one run at a time, and its results are of one run, or refused."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from ptycho_config import at, fields
from ptycho_config.schema import RefineOptions, TrainingSetup
from ptycho_torch.api import TrainingRun, reconstruct
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.api.training import write_training_run
from ptycho_torch.cli.main import main
from ptycho_torch.errors import DataError, OutputError, Stopped
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.files import write_json, write_text
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.output.run_configs import read_run
from ptycho_torch.run_folder import RESULTS, check_result, claim_folder, write_results

HELD = """
import sys, time
from pathlib import Path
from ptycho_torch.run_folder import claim_folder
with claim_folder(Path(sys.argv[1])):
    print("claimed", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    """With the process and the start of the first, even one that is killed; what it left is removed then."""
    with subprocess.Popen([sys.executable, "-c", HELD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "claimed\n"
        refused = rf"another run writes here: process {first.pid} on .*, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
        with pytest.raises(DataError, match=refused), claim_folder(tmp_path):
            pass
        (tmp_path / ".ptycho-results-1" / "inner").mkdir(parents=True)
        first.kill()
    with claim_folder(tmp_path), pytest.raises(DataError, match=f"process {os.getpid()} on"), claim_folder(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def _log_and_stop(folder: Path) -> None:
    write_text(folder / "log", "kept")
    raise Stopped(15)


def test_a_run_that_fails_leaves_no_new_folder(tmp_path: Path) -> None:
    """Unless it has written something."""
    with pytest.raises(Stopped), claim_folder(tmp_path / "a" / "b"):
        raise Stopped(15)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Stopped), claim_folder(tmp_path / "a" / "b") as folder:
        _log_and_stop(folder)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["log"]


def _write(folder: Path, **texts: str) -> None:
    with write_results(folder) as stage:
        for name, text in texts.items():
            write_text(stage / name, text)


def test_results_stay_until_all_of_the_next_ones_are_written(tmp_path: Path) -> None:
    """Those of another run in the same folder too."""
    _write(tmp_path, a="1", b="1")
    with pytest.raises(Stopped), write_results(tmp_path) as stage:
        _log_and_stop(stage)
    assert (tmp_path / "a").read_text() == "1"
    _write(tmp_path, a="2", c="2")
    for name in "abc":
        check_result(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", RESULTS]


def test_a_file_that_the_run_has_not_written_is_refused(tmp_path: Path) -> None:
    """With what to do; without the record of the run it is taken as it is."""
    _write(tmp_path, a="1", b="1")
    (tmp_path / "a").write_text("of another run")
    check_result(tmp_path / "b")
    with pytest.raises(DataError, match=rf"not the file that the run.*without {RESULTS} the file is taken"):
        check_result(tmp_path / "a")
    (tmp_path / RESULTS).unlink()
    check_result(tmp_path / "a")


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "ptycho.results/2"}', '{"schema": 1, "files": []}'])
def test_a_damaged_record_of_results_is_named(content: str, tmp_path: Path) -> None:
    """A reader does not guess."""
    (tmp_path / RESULTS).write_text(content)
    with pytest.raises(DataError, match="remove it, or repeat the run"):
        check_result(tmp_path / "a")


def test_a_folder_in_the_place_of_a_result_changes_nothing(tmp_path: Path) -> None:
    """It is found before the first result is replaced."""
    _write(tmp_path, a="1")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="is a folder, and the name of a result"):
        _write(tmp_path, a="2", b="2")
    check_result(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "1"


READERS: tuple[Callable[[Path], object], ...] = (
    load_bundle,
    read_run,
    lambda folder: read_run(folder / "config.json"),
    lambda folder: read_run(folder / "wts.h5.zip"),
    lambda folder: read_object(folder / "product.h5"),
    lambda folder: read_object(folder / "reconstruction.npz"),
)


def test_every_reader_refuses_results_of_two_runs(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """In a folder in which a run was stopped while it replaced its results, with how to get a whole set."""
    shutil.copy(trained.bundle, tmp_path)
    reconstruct(scan_file, tmp_path, model=tmp_path / "wts.h5.zip", legacy={})
    for read in READERS:
        read(tmp_path)
    names = [path.name for path in tmp_path.iterdir()]
    write_json(tmp_path / RESULTS, {"schema": "ptycho.results/1", "files": {}, "replaced": names})
    for read in READERS:
        with pytest.raises(DataError, match=r"not known to be of one run.*repeat the run"):
            read(tmp_path)


@contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """The system refuses to write more than `size` bytes into a file, as it does on a disk without room."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("verb", "size"), [("train", 100), ("train", 20_000), ("infer", 2_000), ("infer", 80_000), ("refine", 80_000)]
)
def test_without_room_the_earlier_results_stay(
    verb: str, size: int, trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """However far it came; the error says what there is to do."""

    def repeat() -> None:
        if verb == "train":
            folder = at(fields(TrainingSetup).training.output_dir).put(tmp_path)
            moved = attrs.evolve(trained.configs, config=folder(trained.configs.config))
            write_training_run(moved, trained.fitted)
        elif verb == "infer":
            reconstruct(scan_file, tmp_path, model=trained.bundle, legacy={})
        else:
            refine_scan(scan_file, tmp_path, RefineOptions(passes=1), start="flat")

    repeat()
    before = _contents(tmp_path)
    with pytest.raises(OutputError, match="make room, or choose another output_dir"), _largest_file(size):
        repeat()
    assert _contents(tmp_path) == before


def test_a_command_without_room_ends_with_74(
    scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence; a new folder is gone again."""
    out = tmp_path / "out"
    with _largest_file(20_000):
        status = main(["refine", str(scan_file), "--output_dir", str(out), "--passes", "1", "--quiet"])
    assert status == 74
    reason = "cannot write here: File too large; earlier results are as they were"
    assert capsys.readouterr().err == f"error: {out}: {reason} (make room, or choose another output_dir)\n"
    assert not out.exists()
