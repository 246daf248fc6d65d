"""Several processes: one that fails is heard of, and who started them is understood."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy

from ptycho_config import ConfigError, Sources
from ptycho_torch.api import train
from ptycho_torch.errors import DataError, DivergedError
from ptycho_torch.training.lightning_setup import _processes
from ptycho_torch.training.ranks import Launched, launched_outside
from tests.runs import SMALL, start_rank_1_with

TWO = {**SMALL, "execution.devices": 2, "execution.accelerator": "cpu"}


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (
            "import os, sys\nprint('no licence for this machine', file=sys.stderr, flush=True)\nos._exit(7)",
            r"process 1 of 2 ended with exit code 7; last output:\s+no licence for this machine",
        ),
        ("import os\nos.kill(os.getpid(), 9)", r"process 1 of 2 ended with exit code -9 \(SIGKILL\)"),
    ],
)
def test_a_process_that_dies_at_once_is_named(
    code: str, end: str, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its exit code and what it said, within seconds: the first process does not wait for it."""
    start_rank_1_with(code, tmp_path, monkeypatch)
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=end):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=TWO), legacy={})
    assert time.monotonic() - start < 30
    assert not (tmp_path / "out" / "wts.h5.zip").exists()


@pytest.mark.slow
def test_a_scan_that_only_another_process_cannot_read_is_named(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is that of the process, with the file and the rank."""
    start_rank_1_with("import os\nos.chdir('/')", tmp_path, monkeypatch)
    (tmp_path / "here.npz").write_bytes(scan_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"here.npz: no such.*process 1 of 2"):
        train("here.npz", tmp_path / "out", sources=Sources(overrides=TWO), legacy={})


@pytest.mark.slow
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
    start_rank_1_with(code, tmp_path, monkeypatch)
    (tmp_path / "out" / "checkpoints").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "out" / "checkpoints")
    options = {**TWO, "training.nepochs": 200}
    with pytest.raises(RuntimeError, match="process 1 of 2 ended with exit code 5"):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=options), legacy={})


@pytest.mark.slow
def test_a_training_of_several_processes_that_diverges_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """As that of one process: with what to change, and without a bundle."""
    options = {**TWO, "execution.learning_rate": 1e30, "training.gradient_clip_val": None}
    with pytest.raises(DivergedError, match=r"nothing was saved.*execution.learning_rate"):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=options), legacy={})
    assert not (tmp_path / "out" / "wts.h5.zip").exists()


# A job in the background of a shell inherits an ignored SIGINT.
ENDLESS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from ptycho_config import Sources
from ptycho_torch.api import train
from tests.training.test_ranks import TWO
options = {**TWO, "training.nepochs": 5000}
train(sys.argv[1], sys.argv[2], sources=Sources(overrides=options), legacy={})
"""


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        signal.SIGTERM,
        pytest.param(signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_no_process_outlives_the_one_that_started_it(number: signal.Signals, scan_file: Path, tmp_path: Path) -> None:
    """However it ends; a signal that can be heeded has its usual effect."""
    last = tmp_path / "out" / "checkpoints" / "last.ckpt"
    command = [sys.executable, "-c", ENDLESS, str(scan_file), str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        _wait_for(last.exists, 60)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        ranks = [Path("/proc") / rank for rank in children.read_text().split()]
        process.send_signal(number)
        try:
            # The launcher kills what does not end within 30 s.
            _, said = process.communicate(timeout=15)
        finally:
            process.kill()
    assert process.returncode == -number
    assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    assert len(ranks) == 2
    _wait_for(lambda: not any(rank.exists() for rank in ranks), 10)


def _wait_for(found: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.05)


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


def _assert_distributed(local: int, nodes: int) -> None:
    chosen = _processes()
    assert (chosen["devices"], chosen["num_nodes"]) == (local, nodes)
    assert type(chosen["strategy"]) is DDPStrategy


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
    _assert_distributed(local, nodes)
    SLURMEnvironment().validate_settings(num_devices=local, num_nodes=nodes)
    if nodes > 1:
        with pytest.raises(ValueError, match="does not match"):
            SLURMEnvironment().validate_settings(num_devices=8, num_nodes=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SLURM_NTASKS_PER_NODE": None}, "SLURM started 8 processes without saying how many on each machine"),
        ({"SLURM_NTASKS": "6"}, "6 processes are not 4 on each of 2 machines"),
        ({"SLURM_NTASKS": "6", "SLURM_NNODES": None}, "6 processes are not 4 on each of 1 machines"),
    ],
)
def test_what_slurm_does_not_say_is_refused(
    changes: dict[str, str | None], sentence: str, scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "3", "WORLD_SIZE": "6", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    _assert_distributed(2, 3)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match="6 processes are not 4 on each of 1 machines"):
        launched_outside()
    # Both machines of an unequal pair see it.
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    for local in ("2", "4"):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
        with pytest.raises(ConfigError, match=f"6 processes are not {local} on each of 2 machines"):
            launched_outside()
