"""Several devices: the caller's process is the first of those that train together."""

import codecs
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import torch

from ptycho_config import ConfigError, Problem, PyTorchExecutionConfig, TrainingSetup, dump
from ptycho_torch.errors import DivergedError
from ptycho_torch.training.lightning_ranks import Place, launched_outside, report_failure

STRATEGIES = ("auto", "ddp", "ddp_spawn")
_POLL_S = 0.2
# How long is waited for the rest of what a process said, and how much of it is told.
_LAST_WORDS_S = 1.0
_LAST_LINES, _KEPT_BYTES = 10, 2**13


def world_size(execution: PyTorchExecutionConfig, device: torch.device) -> int:
    """How many processes this one shall train with, itself included.

    One for each device; `auto` takes all GPUs, or one process on a CPU. 1 where torchrun or SLURM
    has started the others already. Raises ConfigError for a strategy or a number that cannot be.
    """
    if execution.strategy not in STRATEGIES:
        known = ", ".join(map(repr, STRATEGIES))
        message = f"must be one of {known}, got {execution.strategy!r}"
        raise ConfigError([Problem("execution.strategy", message)], "the execution options")
    if execution.precision == "16-mixed" and device.type == "cpu":
        message = "'16-mixed' needs a GPU, this run is on a CPU"
        raise ConfigError(
            [Problem("execution.precision", message, hint="use bf16-mixed or 32-true")],
            "the execution options",
        )
    if launched_outside() is not None:
        return 1
    available = torch.cuda.device_count() if device.type == "cuda" else 1
    wanted = available if execution.devices == "auto" else execution.devices
    if device.type == "cuda" and wanted > available:
        message = f"{wanted} devices were asked for, this machine has {available}"
        raise ConfigError([Problem("execution.devices", message)], "the execution options")
    return wanted


@contextmanager
def other_ranks(
    setup: TrainingSetup, seed: int, world: int, *, resume: bool, port: int | None = None
) -> Iterator[Place | None]:
    """Start ranks 1 to `world - 1` as processes of their own and give the caller its place, None
    where it is alone. They are ended when the block is left with an error, and waited for
    otherwise. Each computes with its share of the threads. port: where they meet, a free one by default.

    Raises RuntimeError with rank, exit code and last words of one that fails, also while the caller
    waits for it. The others are started by command, not by `multiprocessing`, so nothing of the caller is
    imported or pickled and a caller that may have no child processes of its own kind can call this.
    """
    if world == 1:
        yield None
        return
    port, threads = port or free_port(), torch.get_num_threads()
    order = {"setup": dump(setup), "seed": seed, "resume": resume}
    others = [Rank.started(rank, world, {**order, "place": [rank, world, port]}) for rank in range(1, world)]
    torch.set_num_threads(max(1, threads // world))
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(others, world, port, over), daemon=True)
    watch.start()
    try:
        yield Place(0, world, port)
    except DivergedError:
        raise
    except RuntimeError as error:
        # What a lost connection says is less than what the lost process said, which may take a moment.
        over.wait(_LAST_WORDS_S)
        _refuse_failed(others, world, error)
        raise
    else:
        for other in others:
            other.process.wait()
        _refuse_failed(others, world)
    finally:
        torch.set_num_threads(threads)
        over.set()
        for other in others:
            other.end()
        watch.join()


def _refuse_failed(others: "list[Rank]", world: int, cause: Exception | None = None) -> None:
    failed = [other.failure(world) for other in others if other.process.poll()]
    if failed:
        raise RuntimeError("\n".join(failed)) from cause


def _watch(others: "list[Rank]", world: int, port: int, over: threading.Event) -> None:
    """Tell the caller's process of the first of the others that fails, until it has heard of it."""
    while not over.wait(_POLL_S):
        failed = next((other for other in others if other.process.poll()), None)
        if failed is None:
            continue
        # The caller may still be reading and listen later.
        with suppress(RuntimeError):
            report_failure(port, world, failed.failure(world), timedelta(seconds=1))
            return


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@attrs.frozen(eq=False)
class Rank:
    """One of the other processes; what it says is passed on to the error output of this one, and the
    end of it kept."""

    number: int
    process: "subprocess.Popen[bytes]"
    said: bytearray
    listener: threading.Thread

    @classmethod
    def started(cls, number: int, world: int, order: dict[str, Any]) -> "Rank":
        """Start it and tell it what to do."""
        threads = str(max(1, torch.get_num_threads() // world))
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        process = subprocess.Popen(
            [sys.executable, "-m", "ptycho_torch.training.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=Path.cwd(),
        )
        said = bytearray()
        listener = threading.Thread(target=_pass_on, args=(process, said), daemon=True)
        listener.start()
        assert process.stdin is not None
        # One that has died already is reported by its exit code.
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
        return cls(number, process, said, listener)

    def failure(self, world: int) -> str:
        """Why it ended, in a sentence and the last lines that it said."""
        self.listener.join(_LAST_WORDS_S)
        code = self.process.returncode
        name = f" ({signal.Signals(-code).name})" if -code in set(signal.Signals) else ""
        lines = bytes(self.said).decode(errors="replace").strip().splitlines()[-_LAST_LINES:]
        words = "".join(f"\n    {line}" for line in lines) or " nothing"
        return f"process {self.number} of {world} ended with exit code {code}{name}; it said last:{words}"

    def end(self) -> None:
        """It writes nothing, and its handlers of a gentler signal wait for the others."""
        self.process.kill()
        self.process.wait()
        self.listener.join(_LAST_WORDS_S)


def _pass_on(process: "subprocess.Popen[bytes]", said: bytearray) -> None:
    assert process.stdout is not None
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    with process.stdout as stream:
        while part := os.read(stream.fileno(), _KEPT_BYTES):
            said.extend(part)
            del said[:-_KEPT_BYTES]
            # An error output that is closed must not leave the process with a full pipe.
            with suppress(OSError, ValueError):
                if sys.__stderr__ is not None:
                    sys.__stderr__.write(decoder.decode(part))
                    sys.__stderr__.flush()
