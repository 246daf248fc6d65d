"""Many scans with one network: each once, whatever happens to the others."""

import csv
import multiprocessing
import os
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun
from ptycho_torch.cli.main import main
from ptycho_torch.errors import DataError
from ptycho_torch.scan_set.plan import plan_tasks
from ptycho_torch.scan_set.run import run_local
from ptycho_torch.scan_set.work import ScanRow, Worker

RAY = pytest.mark.skipif(find_spec("ray") is None, reason="the optional package ray is not installed")


@pytest.fixture
def scans(scan_file: Path, tmp_path: Path) -> Path:
    """A folder with two scans, and one that is none."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("first", "second"):
        shutil.copy(scan_file, folder / f"{name}.npz")
    (folder / "third.npz").write_bytes(b"nothing")
    return folder


def _rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "scans.csv").open() as stream:
        return {row["scan"]: row for row in csv.DictReader(stream)}


def _command(scans: Path, trained: TrainingRun, folder: Path, *more: str) -> list[str]:
    """With nothing to be estimated, which is tested elsewhere."""
    known = ("--set", "torch.refine.unknown=[]")
    return ["infer", str(scans), "--model-path", str(trained.bundle), "--output-dir", str(folder), *known, *more]


def test_each_scan_of_a_folder_is_reconstructed_once(
    scans: Path, trained: TrainingRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be read is named and the others go on; a second time only what is missing, changed or asked for
    with other options is done."""
    command = _command(scans, trained, tmp_path / "out")
    assert main(command) == 2
    assert "1 of 3 scans failed" in capsys.readouterr().err
    assert "third.npz" in (tmp_path / "out" / "third" / "failure.txt").read_text()
    rows = _rows(tmp_path / "out")
    assert [row["R"] != "" for row in rows.values()] == [True, True, False]
    assert (tmp_path / "out" / "contact_sheet.png").stat().st_size > 1000
    shutil.copy(scans / "first.npz", scans / "third.npz")
    (tmp_path / "out" / "second" / "metrics.json").unlink()
    assert main(command) == 0
    again = _rows(tmp_path / "out")
    assert [float(row["seconds"]) > 0 for row in again.values()] == [False, True, True]
    assert again["first.npz"]["R"] == rows["first.npz"]["R"]
    assert not (tmp_path / "out" / "third" / "failure.txt").exists()
    assert main([*command, "--refine-passes", "1"]) == 0
    assert all(float(row["seconds"]) > 0 for row in _rows(tmp_path / "out").values())


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=RAY)])
def test_several_at_a_time_give_the_same(engine: str, scans: Path, trained: TrainingRun, tmp_path: Path) -> None:
    """Processes here, and a Ray cluster on this machine."""
    (scans / "third.npz").unlink()
    assert main(_command(scans, trained, tmp_path / "one", "--quiet")) == 0
    assert main(_command(scans, trained, tmp_path / "two", "--quiet", "--jobs", "2", "--engine", engine)) == 0
    one, two = _rows(tmp_path / "one"), _rows(tmp_path / "two")
    assert [row["R"] for row in two.values()] == pytest.approx([row["R"] for row in one.values()])


@pytest.mark.slow
def test_a_process_that_is_killed_does_not_end_the_others(scans: Path, trained: TrainingRun, tmp_path: Path) -> None:
    """As the system does when the memory is full: what was being done is done again by new processes."""
    (scans / "third.npz").unlink()
    for number in range(4):
        shutil.copy(scans / "first.npz", scans / f"more_{number}.npz")
    tasks = plan_tasks(scans, tmp_path / "out", trained.bundle, Sources())
    killed = list[int]()

    def kill_one(_: ScanRow) -> None:
        if not killed:
            killed.append(multiprocessing.active_children()[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)

    rows = run_local(tasks, 2, kill_one)
    assert killed
    assert [row.failure for row in rows] == [""] * 6


def test_a_fault_of_ours_fails_one_scan(scans: Path, trained: TrainingRun, tmp_path: Path) -> None:
    """With the traceback in its folder; nothing is raised that would end the others."""
    task = plan_tasks(scans / "first.npz", tmp_path / "out", trained.bundle, Sources())[0]
    row = Worker(trained.bundle, 1).do(attrs.evolve(task, sources=None))
    assert row.failure.startswith("AttributeError")
    assert "Traceback" in (task.folder / "failure.txt").read_text()


def test_a_list_names_scans_relative_to_itself(scans: Path, tmp_path: Path) -> None:
    """Comments and empty lines do not count; equal names get that of their folder; what is missing is named."""
    (scans / "deep").mkdir()
    shutil.copy(scans / "first.npz", scans / "deep" / "first.npz")
    listed = tmp_path / "scans.txt"
    listed.write_text("# good ones\nscans/first.npz\n\nscans/deep/first.npz\n")
    tasks = plan_tasks(listed, tmp_path / "out", Path("model"), Sources())
    assert [task.scan for task in tasks] == [scans / "first.npz", scans / "deep" / "first.npz"]
    assert [task.folder.name for task in tasks] == ["scans_first.npz", "deep_first.npz"]
    for text, sentence in (("scans/fourth.npz", "which is not there"), ("\n", "lists no scan")):
        listed.write_text(text)
        with pytest.raises(DataError, match=sentence):
            plan_tasks(listed, tmp_path / "out", Path("model"), Sources())
