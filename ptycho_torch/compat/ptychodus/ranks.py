"""Several devices: ptychodus adds callbacks to the trainer, so rank 0 trains in the process that calls.

Its environment is the one that torchrun would give it; the other ranks are started with theirs.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from ptycho_config.schema import TrainingSetup
from ptycho_torch.errors import DivergedError
from ptycho_torch.training.launch import PROCESS, failure_of
from ptycho_torch.training.lightning_setup import PATIENCE
from ptycho_torch.training.process import ready_file, write_request
from ptycho_torch.training.ranks import preserve_environment

_Processes: TypeAlias = "dict[int, subprocess.Popen[bytes]]"
_POLL_S = 0.05
# A lost connection is noticed before the process that it led to has ended.
_END_S = 1.0


def _rank_variables(rank: int, world: int, port: int) -> dict[str, str]:
    """The environment variables of torchrun for one of `world` processes on one machine."""
    values = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    values |= {"GROUP_RANK": 0, "GROUP_WORLD_SIZE": 1, "MASTER_PORT": port}
    texts = {name: str(value) for name, value in values.items()}
    return {**texts, "MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "ptycho"}


@contextmanager
def first_rank(world: int, port: int = 0) -> Iterator[None]:
    """This process is rank 0 of `world` while the block runs; where it is alone, nothing changes.

    port: where the process group meets, needed when the training starts.
    """
    variables = _rank_variables(0, world, port) if world > 1 else {}
    with preserve_environment(*variables):
        os.environ.update(variables)
        yield


@contextmanager
def other_ranks(setup: TrainingSetup, seed: int, world: int) -> Iterator[None]:
    """Ranks 1 to `world - 1` train while the block runs, and this process is rank 0 in it.

    setup, seed: of the training. The block begins when they have read their data; they are waited for at its
    end, and killed when it is left by an error. Each process computes with its share of the threads. Raises
    the error of `failure_of` for a rank that fails.
    """
    if world == 1:
        yield
        return
    # The process group meets in this server, so no other program can take its port.
    store = TCPStore("127.0.0.1", 0, world, is_master=True, wait_for_workers=False, multi_tenant=True)
    threads = torch.get_num_threads()
    others: _Processes = {}
    with TemporaryDirectory(prefix="ptycho_") as name, first_rank(world, store.port):
        folder = Path(name)
        try:
            torch.set_num_threads(write_request(folder, setup, seed, world, resume=False))
            for rank in range(1, world):
                others[rank] = _start(folder, rank, _rank_variables(rank, world, store.port))
            while not all(ready_file(folder, rank).exists() for rank in others):
                _check(others, folder, _POLL_S)
            try:
                yield
            except RuntimeError as error:
                if not isinstance(error, DivergedError):
                    _check(others, folder, _END_S, error)
                raise
            _check(others, folder, PATIENCE.total_seconds())
        finally:
            torch.set_num_threads(threads)
            for other in others.values():
                other.kill()
                other.wait()


def _start(folder: Path, rank: int, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    variables["TORCHELASTIC_ERROR_FILE"] = str(folder / f"{rank}.json")
    with (folder / f"{rank}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - a module of this package
            [sys.executable, *PROCESS, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **variables},
        )


def _check(others: _Processes, folder: Path, seconds: float, cause: Exception | None = None) -> None:
    """Wait for as long as `seconds` until one fails or all end; raise the error of those that failed."""
    end = time.monotonic() + seconds
    while None in (codes := [other.poll() for other in others.values()]) and not any(codes):
        if time.monotonic() > end:
            return
        time.sleep(_POLL_S)
    failures = {
        rank: ProcessFailure(rank, other.pid, other.returncode, str(folder / f"{rank}.json"))
        for rank, other in others.items()
        if other.returncode
    }
    if failures:
        logs = {rank: folder / f"{rank}.log" for rank in failures}
        raise failure_of(failures, logs, len(others) + 1) from cause
