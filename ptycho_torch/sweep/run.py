"""Running trials: each a process of its own, on this machine or by Ray."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ptycho_config import ConfigError, Problem
from ptycho_torch.errors import note_when_stopped
from ptycho_torch.files import create_writable_folder, remove_partial_files, write_json, write_text
from ptycho_torch.output.run_records import to_json
from ptycho_torch.sweep.plan import Trial

RESULT, FAILURE = "trial.json", "failure.txt"
_KEPT = "finished trials are kept, and the last checkpoint of each other one: the same command goes on from there"
_ENDED = (-signal.SIGINT, -signal.SIGTERM)
Report = Callable[[Trial, bool], object]


def is_finished(trial: Trial) -> bool:
    """Whether the trial has written its result; a killed or failed one has not."""
    return (trial.folder / RESULT).is_file()


def run_local(trials: Sequence[Trial], jobs: int, report: Report) -> None:
    """Run the trials that are not finished, sharing the processor's threads.

    trials: all of the sweep; jobs: trials at a time; report: called with each trial that ends and whether
    it succeeded. A trial that fails writes `failure.txt` and the others go on; a signal ends them all.
    """
    waiting = [trial for trial in trials if not is_finished(trial)]
    threads, processes = threads_per_trial(jobs), Processes()
    with note_when_stopped(lambda: _KEPT), ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(run_trial, trial, threads, processes): trial for trial in waiting}
        try:
            for future in as_completed(running):
                report(running[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
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
    check_ray()
    from ray import tune

    waiting = [trial for trial in trials if not is_finished(trial)]
    if not waiting:
        return

    def attempt(config: dict[str, int]) -> dict[str, int]:
        return {"finished": int(run_trial(waiting[config["trial"]], threads, Processes()))}

    tuner = tune.Tuner(
        tune.with_resources(attempt, {"cpu": threads}),
        param_space={"trial": tune.grid_search(list(range(len(waiting))))},
        run_config=tune.RunConfig(storage_path=str((folder / "ray").absolute()), verbose=0),
    )
    with note_when_stopped(lambda: _KEPT), ray_cluster(_KEPT):
        tuner.fit()


def check_ray() -> None:
    """Raise ConfigError where Ray is not installed."""
    if find_spec("ray") is None:
        raise ConfigError([Problem("--engine", "'ray' needs the package ray", hint="pip install 'ptycho[ray]'")])


@contextmanager
def ray_cluster(kept: str) -> Iterator[None]:
    """Use the Ray cluster that this machine belongs to, or start one, until the block ends; kept: what stays when
    SIGTERM ends the process."""
    import ray

    def end(number: int, _: object) -> None:
        # An exception that leaves a call of Ray aborts the process, or makes it wait for ever.
        print(f"ended by {signal.Signals(number).name}; {kept}", file=sys.stderr, flush=True)
        os._exit(128 + number)

    begun, former = not ray.is_initialized(), signal.getsignal(signal.SIGTERM)
    if begun:
        ray.init(log_to_driver=False)
    try:
        # Only the main thread can.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end)
        yield
    finally:
        if begun:
            ray.shutdown()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, former or signal.SIG_DFL)


class Processes:
    """The processes of the trials that run."""

    def __init__(self) -> None:
        self._lock, self._started, self._ended = threading.Lock(), list[subprocess.Popen[str]](), False

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "subprocess.Popen[str]":
        """Start the command in the folder, unless all processes were ended before.

        Its standard input stays open for as long as this process lives.
        """
        with self._lock:
            if self._ended:
                raise CancelledError
            process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._started.append(process)
            return process

    def end(self) -> None:
        """End all that run, and start no more."""
        with self._lock:
            self._ended = True
            for process in self._started:
                process.terminate()


def run_trial(trial: Trial, threads: int, processes: Processes) -> bool:
    """Run the trial in a process of its own, one of these processes, with so many threads, from its last checkpoint if
    there is one; returns whether it finished."""
    order = write_order(trial)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "ptycho_torch.sweep.trial", str(order)]
    with processes.start(command, environment, trial.base.where) as process:
        # Not `communicate`, which closes the standard input.
        output = process.stderr.read() if process.stderr else ""
    if process.returncode and process.returncode not in _ENDED:
        write_text(trial.folder / FAILURE, output)
    return process.returncode == 0


def write_order(trial: Trial) -> Path:
    """Write what the process of a trial reads into its folder, without what a killed or failed one has left there;
    returns the path."""
    folder = create_writable_folder(trial.folder)
    remove_partial_files(folder)
    (folder / FAILURE).unlink(missing_ok=True)
    order = folder / "order.json"
    write_json(order, to_json(trial))
    return order
