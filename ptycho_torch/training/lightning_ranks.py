"""Several processes that train together, each told its place instead of finding it in the environment."""

import os
import time
from datetime import timedelta
from typing import NamedTuple

import attrs
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from typing_extensions import override

from ptycho_config import ConfigError, Problem

_FAILED = "failed"
_POLL_S = 0.05


@attrs.frozen
class Place:
    """Place of a process among `world`, which meet at `port` of this machine."""

    rank: int
    world: int
    port: int


class PlacedEnvironment(ClusterEnvironment):
    """What Lightning asks about processes on one machine, answered by a Place."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    @property
    @override
    def creates_processes_externally(self) -> bool:
        return True

    @property
    @override
    def main_address(self) -> str:
        return "127.0.0.1"

    @property
    @override
    def main_port(self) -> int:
        return self.place.port

    @staticmethod
    @override
    def detect() -> bool:
        return False

    @override
    def world_size(self) -> int:
        return self.place.world

    @override
    def set_world_size(self, size: int) -> None:
        assert size == self.place.world

    @override
    def global_rank(self) -> int:
        return self.place.rank

    @override
    def set_global_rank(self, rank: int) -> None:
        assert rank == self.place.rank

    @override
    def local_rank(self) -> int:
        return self.place.rank

    @override
    def node_rank(self) -> int:
        return 0


class PlacedDDP(DDPStrategy):
    """Distributed data parallel without a launcher: this process trains where it stands, so its
    callbacks and whatever embeds it stay in one process."""

    def __init__(self, place: Place, patience: timedelta) -> None:
        super().__init__(cluster_environment=PlacedEnvironment(place), timeout=patience)
        self.place, self.patience = place, patience

    @override
    def _configure_launcher(self) -> None:
        self._launcher = None

    @override
    def setup_distributed(self) -> None:
        if torch.distributed.is_initialized():
            super().setup_distributed()
            return
        # Held meanwhile: the process group meets in the same store.
        store = meet(self.place, self.patience)
        super().setup_distributed()
        del store


def meet(place: Place, patience: timedelta) -> TCPStore:
    """Come to the port of a place; the first process waits there for all others.

    Their process group would wait for them as well, but would not hear of one that has failed. Raises
    RuntimeError with what `report_failure` said, or when nothing happens for as long as `patience`.
    """
    store = _store(place.port, place.world, patience, first=place.rank == 0)
    if place.rank:
        store.set(f"rank {place.rank}", "")
        return store
    others = [f"rank {rank}" for rank in range(1, place.world)]
    end = time.monotonic() + patience.total_seconds()
    while not all(store.check([name]) for name in others):
        if store.check([_FAILED]):
            raise RuntimeError(store.get(_FAILED).decode())
        if time.monotonic() > end:
            missing = ", ".join(name for name in others if not store.check([name]))
            raise RuntimeError(f"{missing} of {place.world} did not come within {patience}")
        time.sleep(_POLL_S)
    return store


def report_failure(port: int, world: int, message: str, patience: timedelta) -> None:
    """Tell the first process, which waits at `port` in `meet`. Raises RuntimeError where it is not there
    within `patience`."""
    _store(port, world, patience, first=False).set(_FAILED, message)


def _store(port: int, world: int, patience: timedelta, *, first: bool) -> TCPStore:
    return TCPStore(
        "127.0.0.1", port, world, first, timeout=patience, wait_for_workers=False, multi_tenant=True
    )


class Launched(NamedTuple):
    """Place of a process that torchrun or SLURM started: its rank among `world`, on `nodes` machines
    with equally many each."""

    rank: int
    world: int
    nodes: int


def launched_outside() -> Launched | None:
    """Where torchrun or SLURM started several processes, otherwise None. Raises ConfigError where
    machines have unequally many, or it is not said how many, which Lightning must know."""
    if TorchElasticEnvironment.detect():
        each = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ["WORLD_SIZE"])
        machines = os.environ.get("GROUP_WORLD_SIZE")
        return _launched("RANK", "WORLD_SIZE", each, None if machines is None else int(machines))
    if not SLURMEnvironment.detect() or int(os.environ.get("SLURM_NTASKS", "1")) == 1:
        return None
    local = os.environ.get("SLURM_NTASKS_PER_NODE")
    if local is None:
        message = (
            f"SLURM started {os.environ['SLURM_NTASKS']} processes without saying how many on each machine"
        )
        hint = "submit with --ntasks-per-node, which --ntasks alone does not set"
        raise ConfigError([Problem("execution.devices", message, hint=hint)], "the environment")
    # Only the former is what Lightning compares with; older versions of SLURM set the latter alone.
    nodes = os.environ.get("SLURM_NNODES") or os.environ.get("SLURM_JOB_NUM_NODES")
    return _launched("SLURM_PROCID", "SLURM_NTASKS", int(local), None if nodes is None else int(nodes))


def _launched(rank: str, world: str, local: int, nodes: int | None) -> Launched:
    place = Launched(int(os.environ[rank]), int(os.environ[world]), nodes or int(os.environ[world]) // local)
    if place.nodes * local != place.world:
        message = f"{place.world} processes are not {local} on each of {place.nodes} machines"
        hint = "start equally many on every machine"
        raise ConfigError([Problem("execution.devices", message, hint=hint)], "the environment")
    return place
