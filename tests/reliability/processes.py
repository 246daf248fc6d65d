"""Commands and calls in processes of their own, forked from one that has imported everything and computed nothing."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from ptycho_torch.cli.main import main

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["tests.reliability.processes", "tests.reliability.imported"])
_SECONDS = 180
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
KILLED = 137


def start(call: Callable[..., Any], *arguments: Any) -> ForkServerProcess:
    """Start a call; it exits with what the call returns."""
    process = _SERVER.Process(target=_exit_with, args=(call, *arguments))
    process.start()
    return process


def status_of(process: ForkServerProcess) -> int | None:
    """Wait for a process; one that hangs is killed."""
    process.join(_SECONDS)
    if process.is_alive():
        process.kill()
        raise TimeoutError
    return process.exitcode


def run_command(words: Sequence[str], output: Path) -> int:
    """Run `ptycho` with its error output in a file; returns the exit status."""
    with output.open("w") as stream:
        sys.stderr = sys.stdout = stream
        return main(words)


def signal_when(found: Callable[[], bool], process: ForkServerProcess, number: int) -> None:
    """Send a signal to a process that is still there when a condition holds."""
    end = time.monotonic() + _SECONDS
    while not found():
        assert process.is_alive()
        assert time.monotonic() < end
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, number)


def _exit_with(call: Callable[..., Any], *arguments: Any) -> None:
    # A shell starts its background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(call(*arguments) or 0)


def count_operations(folder: Path, kill_at: int, log: Path, call: Callable[..., Any], *arguments: Any) -> None:
    """Make a call and kill this process right before its `kill_at`-th change of a file below `folder`, counted from 1;
    0 for never. Each change is a line of the log: an event and a name."""
    done = 0
    with log.open("w", buffering=1) as lines:

        def watch(event: str, values: tuple[Any, ...]) -> None:
            nonlocal done
            writes = event == "open" and isinstance(values[2], int) and values[2] & _WRITES
            if not (writes or event in _CHANGES) or not str(values[0]).startswith(str(folder)):
                return
            done += 1
            lines.write(f"{event} {values[1] if event == 'os.rename' else values[0]}\n")
            if done == kill_at:
                os._exit(KILLED)

        sys.addaudithook(watch)
        call(*arguments)
