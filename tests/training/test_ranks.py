"""Several processes: one that fails is heard of, and who started them is understood."""

import os
import time
from pathlib import Path

import pytest
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

import ptycho_torch
from ptycho_config import ConfigError, Sources
from ptycho_torch.api import train
from ptycho_torch.training.lightning_ranks import Launched, launched_outside
from ptycho_torch.training.lightning_setup import _processes
from tests.runs import SMALL

TWO = {**SMALL, "execution.devices": 2, "execution.accelerator": "cpu"}


def _started_with(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python that is started from now on runs `code` first."""
    (folder / "sitecustomize.py").write_text(code)
    root = Path(ptycho_torch.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{root}")


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (
            "import os, sys\nprint('no licence for this machine', file=sys.stderr, flush=True)\nos._exit(7)",
            r"process 1 of 2 ended with exit code 7; it said last:\s+no licence for this machine",
        ),
        ("import os\nos.kill(os.getpid(), 9)", r"process 1 of 2 ended with exit code -9 \(SIGKILL\)"),
    ],
)
def test_a_process_that_dies_at_once_is_named(
    code: str, end: str, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its exit code and what it said, within seconds: the first process does not wait for it."""
    _started_with(code, tmp_path, monkeypatch)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=end):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=TWO), legacy={})
    assert time.monotonic() - start < 30
    assert not (tmp_path / "out" / "wts.h5.zip").exists()


def test_a_scan_that_only_another_process_cannot_read_is_named(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of the other process is told, with the file."""
    _started_with("import os\nos.chdir('/')", tmp_path, monkeypatch)
    (tmp_path / "here.npz").write_bytes(scan_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)process 1 of 2 ended with exit code 1; .*here.npz: no such"):
        train("here.npz", tmp_path / "out", sources=Sources(overrides=TWO), legacy={})


def test_a_process_that_dies_while_training_is_named(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the connection that was lost."""
    code = (
        "import os, threading, time\n"
        "def end():\n"
        "    while not os.path.exists('last.ckpt'): time.sleep(0.02)\n"
        "    os._exit(5)\n"
        "threading.Thread(target=end, daemon=True).start()\n"
    )
    _started_with(code, tmp_path, monkeypatch)
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "out" / "checkpoints")
    options = {**TWO, "training.nepochs": 200}
    with pytest.raises(RuntimeError, match="process 1 of 2 ended with exit code 5"):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=options), legacy={})


SLURM = {
    "SLURM_JOB_ID": "12345",
    "SLURM_JOB_NAME": "ptycho",
    "SLURM_NTASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "2",
}


def _environment(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**SLURM, **changes}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("changes", "local", "nodes"),
    [
        ({}, 4, 2),
        ({"SLURM_NNODES": None, "SLURM_JOB_NUM_NODES": "2"}, 4, 2),
        ({"SLURM_NNODES": None}, 4, 2),
        ({"SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "8"}, 1, 8),
        ({"SLURM_NTASKS_PER_NODE": "8", "SLURM_NNODES": "1"}, 8, 1),
    ],
)
def test_machines_of_slurm_are_counted_as_lightning_counts_them(
    changes: dict[str, str | None], local: int, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning's own check of devices and machines against the environment passes."""
    _environment(monkeypatch, **changes)
    assert launched_outside() == Launched(5, 8, nodes)
    assert _processes(None) == {"devices": local, "num_nodes": nodes, "strategy": "ddp"}
    SLURMEnvironment().validate_settings(num_devices=local, num_nodes=nodes)
    if nodes > 1:
        with pytest.raises(ValueError, match="does not match"):
            SLURMEnvironment().validate_settings(num_devices=8, num_nodes=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"SLURM_NTASKS_PER_NODE": None},
            "SLURM started 8 processes without saying how many on each machine",
        ),
        ({"SLURM_NTASKS": "6"}, "6 processes are not 4 on each of 2 machines"),
        ({"SLURM_NTASKS": "6", "SLURM_NNODES": None}, "6 processes are not 4 on each of 1 machines"),
    ],
)
def test_what_slurm_does_not_say_is_refused(
    changes: dict[str, str | None],
    sentence: str,
    scan_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is read or written, with what to submit instead."""
    _environment(monkeypatch, **changes)
    with pytest.raises(ConfigError, match=sentence):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=SMALL), legacy={})
    assert not (tmp_path / "out").exists()


def test_one_task_of_slurm_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of a single task, or an interactive one, trains alone."""
    _environment(monkeypatch, SLURM_NTASKS="1", SLURM_NTASKS_PER_NODE=None)
    assert launched_outside() is None
    _environment(monkeypatch, SLURM_JOB_NAME="interactive")
    assert launched_outside() is None


def test_machines_of_torchrun_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six processes, two on each machine; unequal machines are refused."""
    _environment(monkeypatch, SLURM_NTASKS=None)
    for name, value in {
        "TORCHELASTIC_RUN_ID": "x",
        "RANK": "3",
        "WORLD_SIZE": "6",
        "LOCAL_WORLD_SIZE": "2",
    }.items():
        monkeypatch.setenv(name, value)
    assert _processes(None) == {"devices": 2, "num_nodes": 3, "strategy": "ddp"}
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="6 processes are not 4 on each of 1 machines"):
        launched_outside()
    # Both machines of an unequal pair see it.
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    for local in ("2", "4"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
        with pytest.raises(ConfigError, match=f"6 processes are not {local} on each of 2 machines"):
            launched_outside()
