"""How many processes train together, and which of them this one is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from ptycho_config import ConfigError, Problem, PyTorchExecutionConfig

STRATEGIES = ("auto", "ddp", "ddp_spawn")


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
        message = f"SLURM started {os.environ['SLURM_NTASKS']} processes without saying how many on each machine"
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
            [Problem("execution.precision", message, hint="use bf16-mixed or 32-true")], "the execution options"
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
def preserve_environment(*names: str) -> Iterator[None]:
    """These environment variables have their present values, or none, afterwards."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
