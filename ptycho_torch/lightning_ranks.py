"""Several processes that train together, each told its place instead of finding it in the environment."""

import os

import attrs
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy
from typing_extensions import override


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

    @override
    def _configure_launcher(self) -> None:
        self._launcher = None


def launched_outside() -> tuple[int, int] | None:
    """`(rank, world)` where torchrun or SLURM started several processes, otherwise None."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    if SLURMEnvironment.detect() and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        return int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    return None
