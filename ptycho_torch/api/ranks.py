"""Several devices: the caller's process is the first of those that train together."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ptycho_config import ConfigError, Problem, PyTorchExecutionConfig, TrainingSetup, dump
from ptycho_torch.lightning_ranks import Place, launched_outside

STRATEGIES = ("auto", "ddp", "ddp_spawn")


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

    The others are started by command, not by `multiprocessing`, so nothing of the caller is
    imported or pickled and a caller that may have no child processes of its own kind can call this.
    """
    if world == 1:
        yield None
        return
    port, threads = port or free_port(), torch.get_num_threads()
    running = [
        _started({"setup": dump(setup), "seed": seed, "resume": resume, "place": [rank, world, port]}, world)
        for rank in range(1, world)
    ]
    torch.set_num_threads(max(1, threads // world))
    try:
        yield Place(0, world, port)
        failed = [rank for rank, process in enumerate(running, 1) if process.wait() != 0]
        if failed:
            raise RuntimeError(f"processes {failed} of {world} failed; their errors are above")
    finally:
        torch.set_num_threads(threads)
        for process in running:
            # They write nothing, and their handlers of a gentler signal wait for each other.
            process.kill()
            process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _started(order: dict[str, Any], world: int) -> "subprocess.Popen[str]":
    threads = str(max(1, torch.get_num_threads() // world))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, "-m", "ptycho_torch.rank"]
    process = subprocess.Popen(  # noqa: S603 - our own module
        command, stdin=subprocess.PIPE, stdout=sys.__stderr__, text=True, env=environment, cwd=Path.cwd()
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order))
    process.stdin.close()
    return process
