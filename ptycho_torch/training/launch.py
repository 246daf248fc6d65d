"""Training in several processes of this machine, which torchrun's launcher starts and watches."""

import signal
import sys
import threading
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from ptycho_config.schema import TrainingSetup
from ptycho_torch.errors import DataError, DivergedError
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.reconstruction.trained_model import restore_model
from ptycho_torch.training.datasets import TrainingScans, training_data
from ptycho_torch.training.fit import Fitted
from ptycho_torch.training.process import write_request
from ptycho_torch.training.ranks import preserve_environment

PROCESS = ("-m", "ptycho_torch.training.process")
_LAST_LINES = 10
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def fit_in_processes(setup: TrainingSetup, seed: int, world: int, *, opened: TrainingScans, resume: bool) -> Fitted:
    """`fit_setup` in `world` processes, each with its share of the threads; they write no bundle.

    setup, seed, opened, resume: as there.

    Raises DataError or DivergedError of a process, and RuntimeError with rank, exit code and last output of
    one that ends otherwise. A signal that ends them has its usual effect on this process.
    """
    with TemporaryDirectory(prefix="ptycho_") as name:
        folder = Path(name)
        write_request(folder, setup, seed, world, resume=resume)
        stopped = _launch(folder, world)
        if stopped is None:
            fitted = load_bundle(folder)
            return Fitted(restore_model(fitted, name), fitted.record, partial(training_data, setup, seed, opened))
    signal.raise_signal(stopped)
    raise RuntimeError(f"the processes were ended by {stopped.name}")


def _launch(folder: Path, world: int) -> signal.Signals | None:
    """Start the processes and wait for them; returns the signal that ended them before they were done."""
    # In a terminal rank 0 writes to it directly, for its progress bar; the output of others is only kept.
    tee = {rank: Std.ALL for rank in range(world) if rank or not sys.stderr.isatty()}
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=world,
        run_id="ptycho",
        # Together with an empty role: nothing is put before the lines of rank 0.
        log_line_prefix_template="${role_name}",
        role="",
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",
        local_addr="127.0.0.1",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(str(folder), tee=tee, local_ranks_filter={0}),
    )
    # Not one that is ignored, as under nohup.
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    heeded = [number.name for number, handler in handlers.items() if handler is not signal.SIG_IGN]
    config.signals_to_handle = ",".join(heeded)
    failures: Mapping[int, ProcessFailure] = {}
    with preserve_environment("TORCHELASTIC_SIGNALS_TO_HANDLE"), warnings.catch_warnings():
        # The launcher leaves the files of its logs to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            elastic_launch(config, sys.executable)(*PROCESS, str(folder))
        except ChildFailedError as error:
            failures = error.failures
        except SignalException as stopped:
            return stopped.sigval
        finally:
            # The launcher leaves its own ones in the main thread.
            for number, handler in handlers.items():
                if handler is not None and threading.current_thread() is threading.main_thread():
                    signal.signal(number, handler)
    if failures:
        logs = {rank: next(folder.glob(f"*/attempt_0/{rank}/stderr.log"), None) for rank in failures}
        raise failure_of(failures, logs, world)
    return None


def failure_of(failures: Mapping[int, ProcessFailure], logs: Mapping[int, Path | None], world: int) -> Exception:
    """The error of the failures, by rank, among `world` processes.

    DataError or DivergedError where one has raised that, otherwise RuntimeError with exit code and last
    output of each. logs: files with their error output, None where it went to the terminal.
    """
    # The launcher ends the others.
    own = {rank: one for rank, one in failures.items() if one.exitcode != -signal.SIGTERM} or failures
    sentences = []
    for rank, failure in sorted(own.items(), key=lambda item: item[1].timestamp):
        found = failure.error_file_data["message"]
        raised = found["message"] if isinstance(found, dict) else ""
        kind, _, text = raised.partition(": ")
        if kind in ("DataError", "MissingFileError"):
            return DataError(*f"{text} (process {rank} of {world})".split(": ", 1))
        if kind == "DivergedError":
            return DivergedError(text)
        log = logs[rank]
        lines = (raised if log is None else log.read_text(errors="replace").strip()).splitlines()
        output = "".join(f"\n    {line}" for line in lines[-_LAST_LINES:]) or " none"
        name = f" ({failure.signal_name()})" if failure.exitcode < 0 else ""
        sentences.append(
            f"process {rank} of {world} ended with exit code {failure.exitcode}{name}; last output:{output}"
        )
    return RuntimeError("\n".join(sentences))
