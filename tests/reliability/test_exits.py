"""A signal ends every command with its own status, and one line on what is kept and how to go on."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from ptycho_torch.training.checkpoints import epochs_of
from tests.reliability.processes import run_command, signal_when, start, status_of
from tests.runs import SMALL

OPTIONS = {path: value for path, value in SMALL.items() if path != "training.nepochs"}
TINY = [word for path, value in OPTIONS.items() for word in ("--set", f"{path}={value}")]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_stopped_goes_on(number: int, status: int, scan_file: Path, tmp_path: Path) -> None:
    """The same command with --resume ends with the epochs that were asked for; nothing temporary stays."""
    out, said = tmp_path / "out", tmp_path / "said"
    words = ["train", str(scan_file), "--output_dir", str(out), "--quiet", *TINY, "--max_epochs"]
    last = out / "checkpoints" / "last.ckpt"
    process = start(run_command, [*words, "5000"], said)
    signal_when(last.exists, process, number)
    assert status_of(process) == status
    name = "ended by SIGTERM" if number == signal.SIGTERM else "interrupted"
    kept = epochs_of(last)
    sentence = f"{kept} of 5000 epochs are kept in {last}: the same command with --resume goes on from there"
    assert said.read_text() == f"{name}; {sentence}\n"
    assert {path.name for path in out.iterdir()} == {"checkpoints", "lightning_logs"}
    assert status_of(start(run_command, [*words, str(kept + 1), "--resume"], said)) == 0
    record = json.loads((out / "metrics.json").read_text())["training"]
    assert len(record["history"]["train_loss"]) == kept + 1


@pytest.mark.parametrize("command", ["infer", "refine"])
def test_a_reconstruction_that_is_stopped_leaves_nothing(command: str, scan_file: Path, tmp_path: Path) -> None:
    """The folder of its results is as it was."""
    out, said = tmp_path / "out", tmp_path / "said"
    out.mkdir()
    passes = "--refine-passes" if command == "infer" else "--passes"
    process = start(run_command, [command, str(scan_file), "--output_dir", str(out), passes, "5000", "--quiet"], said)
    signal_when((out / ".ptycho-lock").exists, process, signal.SIGTERM)
    assert status_of(process) == 143
    sentence = "nothing was written, earlier results are as they were: run the same command again"
    assert said.read_text() == f"ended by SIGTERM; {sentence}\n"
    assert list(out.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_processes_of_many_scans_end_at_once(engine: str, scan_file: Path, tmp_path: Path) -> None:
    """In the middle of their scans; the same command goes on, and nothing temporary stays."""
    if engine == "ray":
        pytest.importorskip("ray")
    scans, out, said = tmp_path / "scans", tmp_path / "out", tmp_path / "said"
    scans.mkdir()
    for number in range(4):
        shutil.copy(scan_file, scans / f"{number}.npz")
    words = ["infer", str(scans), "--output_dir", str(out), "--jobs", "2", "--engine", engine, "--quiet"]
    process = start(run_command, [*words, "--refine-passes", "100000"], said)
    signal_when(lambda: len(list(out.glob("*/.ptycho-lock"))) == 2, process, signal.SIGTERM)
    process.join(10)
    assert process.exitcode == 143
    sentence = "ended by SIGTERM; finished scans are kept: the same command goes on from there"
    assert said.read_text().splitlines()[-1] == sentence
    assert status_of(start(run_command, [*words, "--refine-passes", "0"], said)) == 0
    assert list(out.rglob(".ptycho-*")) == []
