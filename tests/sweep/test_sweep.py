"""Sweeps: planned before they run, run once, resumed after a kill, shown at the end."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from ptycho_config import ConfigError, Transform
from ptycho_torch.api import train
from ptycho_torch.cli.main import main
from ptycho_torch.errors import DataError
from ptycho_torch.output.run_records import to_json
from ptycho_torch.run_folder import claim_folder
from ptycho_torch.sweep import axis, plan_sweep, read_rows, run_local
from ptycho_torch.sweep.plan import Base
from ptycho_torch.sweep.run import threads_per_trial, write_order
from ptycho_torch.sweep.trial import main as run_order
from ptycho_torch.training.checkpoints import epochs_of
from tests.runs import SMALL

CORES = os.cpu_count() or 1


@pytest.fixture
def base(scan_file: Path, tmp_path: Path) -> Path:
    """A config file of a small training."""
    path = tmp_path / "base.json"
    values = {**SMALL, "training.train_data_file": str(scan_file)}
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("N=64,128", ("N=64", "N=128")),
        (
            "torch.grouping.x_bounds=[0, 0.5],[0.5, 1]",
            ("torch.grouping.x_bounds=[0, 0.5]", "torch.grouping.x_bounds=[0.5, 1]"),
        ),
        ('notes="a,b",c', ('notes="a,b"', "notes=c")),
    ],
)
def test_an_axis_is_split_at_its_own_commas(text: str, parts: tuple[str, ...]) -> None:
    """Not at those within brackets or quotes."""
    assert axis(text) == parts


@pytest.mark.parametrize("text", ["N", "=64", "N="])
def test_what_is_no_axis_says_how_it_reads(text: str) -> None:
    """With an example."""
    with pytest.raises(ConfigError, match="must read PATH=VALUE,VALUE"):
        axis(text)


def _plan(base: Path, folder: Path, *axes: str, assignments: tuple[str, ...] = ()) -> tuple:
    return plan_sweep(Base(base, "unrolled", assignments), [axis(text) for text in axes], folder)


def test_a_sweep_is_the_product_of_its_axes(base: Path, tmp_path: Path) -> None:
    """First axis slowest; the key is that of the configuration and the scans, not of the folder."""
    trials = _plan(base, tmp_path, "training.nepochs=1,2", "torch.net.width=4,6")
    assert [trial.point for trial in trials] == [
        ("training.nepochs=1", "torch.net.width=4"),
        ("training.nepochs=1", "torch.net.width=6"),
        ("training.nepochs=2", "torch.net.width=4"),
        ("training.nepochs=2", "torch.net.width=6"),
    ]
    again = _plan(base, tmp_path / "other", "training.nepochs=1,2", "torch.net.width=4,6")
    assert [trial.key for trial in again] == [trial.key for trial in trials]
    assert len({trial.key for trial in trials}) == 4


def test_a_mistake_ends_a_sweep_before_it_starts(base: Path, tmp_path: Path) -> None:
    """A wrong value, a value twice, an option that the base has set on purpose, no seed."""
    for axes, assignments, sentence in (
        (["training.batch_size=8,12"], (), "power of two"),
        (["training.nepochs=1,1"], (), "are the same trial"),
        (["training.nepoch=1"], (), "did you mean"),
        (["training.nepochs=1"], ("training.subsample_seed=null",), "needs a seed"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            _plan(base, tmp_path, *axes, assignments=assignments)
    assert not (tmp_path / "trials").exists()


def test_a_finished_trial_is_not_run_twice(base: Path, tmp_path: Path, scan_file: Path) -> None:
    """The command trains, reconstructs, writes table and picture; a second time it only shows them,
    and a further value runs alone. A trial that fails is named and the others go on."""
    command = ["sweep", str(base), "--output_dir", str(tmp_path / "s"), "--jobs", "2", "--quiet"]
    command += ["--test_data", str(scan_file)]
    assert main([*command, "--axis", "execution.learning_rate=0.001,1e30"]) == 2
    results = list((tmp_path / "s" / "trials").glob("*/trial.json"))
    (failure,) = (tmp_path / "s" / "trials").glob("*/failure.txt")
    assert len(results) == 1
    assert "diverged" in failure.read_text()
    before = results[0].stat().st_mtime_ns
    assert main([*command, "--axis", "execution.learning_rate=0.001"]) == 0
    assert results[0].stat().st_mtime_ns == before
    with (tmp_path / "s" / "sweep.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert float(row["execution.learning_rate"]) == 0.001
    assert 0 < float(row["R"]) < 1
    assert (tmp_path / "s" / "sweep.png").stat().st_size > 1000
    derivation = json.loads((results[0].parent / "config.json").read_text())["training"]
    assert "execution.learning_rate" in {step["path"] for step in derivation["layers"][-1]["steps"]}


def _wait_until_free(folder: Path) -> None:
    """Wait until no process writes into a folder any more."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with claim_folder(folder):
                return
        except DataError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_sweep_goes_on_where_it_was(base: Path, tmp_path: Path) -> None:
    """Killed after its first epochs, it takes its trial with it, which is resumed from its checkpoint and ends with the
    losses of an uninterrupted training; all with one thread, since sums depend on their number."""
    options = ("training.scheduler=Exponential", "training.nepochs=12")
    (trial,) = _plan(base, tmp_path, "torch.net.width=4", assignments=options)
    command = [sys.executable, "-m", "ptycho_torch.cli.main", "sweep", str(base), "--quiet"]
    command += ["--axis", "torch.net.width=4", "--output_dir", str(tmp_path), "--jobs", str(CORES)]
    command += [part for option in options for part in ("--set", option)]
    process = subprocess.Popen(command)
    checkpoint = trial.folder / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert checkpoint.exists()
    _wait_until_free(trial.folder)
    assert epochs_of(checkpoint) < 12
    assert read_rows([trial])[0].result is None
    run_local([trial], CORES, lambda *_: None)
    resumed = read_rows([trial])[0].result
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    straight = train(None, tmp_path / "whole", sources=trial.base.sources(Transform()), legacy={}).record
    torch.set_num_threads(threads)
    assert resumed is not None
    assert resumed.epochs == 12
    losses = json.loads((trial.folder / "metrics.json").read_text())["training"]["history"]
    assert losses == to_json(straight.history)


def test_a_base_that_changed_meanwhile_is_not_trained(base: Path, tmp_path: Path) -> None:
    """A trial is what was planned under its key, or it fails."""
    (trial,) = _plan(base, tmp_path, "torch.net.width=4")
    base.write_text(json.dumps({**json.loads(base.read_text()), "training.batch_size": 4}))
    with pytest.raises(ConfigError, match="other options than when the sweep was planned"):
        run_order(str(write_order(trial)))


@pytest.mark.slow
def test_an_interrupted_sweep_starts_nothing_more(base: Path, tmp_path: Path) -> None:
    """Of three trials, one at a time, that which has not begun when the first ends never does."""
    trials = _plan(base, tmp_path, "torch.net.width=4,6,8")
    base.write_text("{}")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_local(trials, 1, interrupted)
    assert sum((trial.folder / "order.json").exists() for trial in trials) < 3


def test_trials_share_the_threads_that_the_user_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of `OMP_NUM_THREADS`, otherwise the processors of this process; at least one each."""
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert [threads_per_trial(jobs) for jobs in (1, 3, 8)] == [6, 2, 1]
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads_per_trial(1) == len(os.sched_getaffinity(0))


@pytest.mark.slow
def test_a_sweep_of_simulated_scans_is_judged_by_their_truth(tmp_path: Path) -> None:
    """Two doses with two seeds each: summary with spread, and the higher dose has the better object."""
    (tmp_path / "base.json").write_text(json.dumps(SMALL))
    (tmp_path / "sim.yaml").write_text("N: 32\nside_px: 90\nstep_px: 5\n")
    command = ["sweep", str(tmp_path / "base.json"), "--output_dir", str(tmp_path / "s"), "--quiet"]
    command += ["--simulate", str(tmp_path / "sim.yaml"), "--axis", "dose=1e3,1e6", "--repeats", "2", "--jobs", "2"]
    assert main(command) == 0
    with (tmp_path / "s" / "summary.csv").open() as stream:
        low, high = csv.DictReader(stream)
    assert (low["trials"], high["trials"]) == ("2", "2")
    assert float(high["contrast"]) > float(low["contrast"]) > 0
    assert float(low["phase_mae_spread"]) > 0
