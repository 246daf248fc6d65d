"""Running trials: each a process of its own, on this machine or by Ray."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path

from ptycho_config import ConfigError, Problem
from ptycho_torch.files import create_writable_folder, write_json, write_text
from ptycho_torch.output.run_records import to_json
from ptycho_torch.sweep.plan import SWEEP, Trial

RESULT, FAILURE = "trial.json", "failure.txt"
Report = Callable[[Trial, bool], object]


def is_finished(trial: Trial) -> bool:
    """Whether the trial has written its result; a killed or failed one has not."""
    return (trial.folder / RESULT).is_file()


def run_local(trials: Sequence[Trial], jobs: int, report: Report) -> None:
    """Run the trials that are not finished, sharing the processor's threads.

    trials: all of the sweep; jobs: trials at a time; report: called with each trial that ends and whether
    it succeeded. A trial that fails writes `failure.txt` and the others go on.
    """
    waiting = [trial for trial in trials if not is_finished(trial)]
    threads = threads_per_trial(jobs)
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_trial, trial, threads): trial for trial in waiting}
        try:
            for future in as_completed(running):
                report(running[future], future.result())
        except BaseException:
            # The terminal interrupts those that run; those that wait must not start.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def threads_per_trial(jobs: int) -> int:
    """An equal part of `OMP_NUM_THREADS` where that is set, otherwise of the processors that this process
    may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, (int(wanted) if wanted.isdigit() else usable) // jobs)


def run_ray(trials: Sequence[Trial], folder: Path, threads: int) -> None:
    """Run the trials that are not finished with Ray Tune.

    trials: all of the sweep; folder: of the sweep, seen by all nodes; threads: processors of a trial.
    Raises ConfigError where Ray is not installed.
    """
    if find_spec("ray") is None:
        raise ConfigError([Problem("--engine", "'ray' needs the package ray", hint="pip install 'ptycho[ray]'")], SWEEP)
    from ray import tune

    waiting = [trial for trial in trials if not is_finished(trial)]
    if not waiting:
        return

    def attempt(config: dict[str, int]) -> dict[str, int]:
        return {"finished": int(run_trial(waiting[config["trial"]], threads))}

    tune.Tuner(
        tune.with_resources(attempt, {"cpu": threads}),
        param_space={"trial": tune.grid_search(list(range(len(waiting))))},
        run_config=tune.RunConfig(storage_path=str((folder / "ray").absolute()), verbose=0),
    ).fit()


def run_trial(trial: Trial, threads: int) -> bool:
    """Run the trial in a process of its own with so many threads, from its last checkpoint if there is one;
    returns whether it finished."""
    folder = create_writable_folder(trial.folder)
    (folder / FAILURE).unlink(missing_ok=True)
    write_json(folder / "order.json", to_json(trial))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "ptycho_torch.sweep.trial", str(folder / "order.json")]
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=trial.base.where, capture_output=True, text=True, check=False
    )
    if done.returncode:
        write_text(folder / FAILURE, done.stderr)
    return done.returncode == 0
