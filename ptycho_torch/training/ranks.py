"""The number of processes that train together, and the rank of this one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from ptycho_config import ConfigError, Problem
from ptycho_config.schema import PyTorchExecutionConfig

STRATEGIES = ("auto", "ddp", "ddp_spawn")


class Launched(NamedTuple):
    """Place of a process that torchrun or SLURM started: its rank among `world`, on `nodes` machines
    with equally many each."""

    rank: int
    world: int
    nodes: int


def launched_outside() -> Launched | None:
    """The place of this process where torchrun or SLURM started several, otherwise None. Raises ConfigError
    where machines have unequally many, or the number on each, which Lightning must know, is not given."""
    if TorchElasticEnvironment.detect():
        each = os.environ.get("LOCAL_WORLD_SIZE") or os.environ["WORLD_SIZE"]
        return _place("RANK", "WORLD_SIZE", each, os.environ.get("GROUP_WORLD_SIZE"))
    if not SLURMEnvironment.detect() or int(os.environ.get("SLURM_NTASKS", "1")) == 1:
        return None
    local = os.environ.get("SLURM_NTASKS_PER_NODE")
    if local is None:
        message = f"SLURM started {os.environ['SLURM_NTASKS']} processes without saying how many on each machine"
        hint = "submit with --ntasks-per-node, which --ntasks alone does not set"
        raise ConfigError([Problem("execution.devices", message, hint=hint)], "the environment")
    # Only the former is what Lightning compares with; older versions of SLURM set the latter alone.
    nodes = os.environ.get("SLURM_NNODES") or os.environ.get("SLURM_JOB_NUM_NODES")
    return _place("SLURM_PROCID", "SLURM_NTASKS", local, nodes)


def _place(rank: str, world: str, local: str, nodes: str | None) -> Launched:
    every = int(os.environ[world])
    place = Launched(int(os.environ[rank]), every, int(nodes or 0) or every // int(local))
    if place.nodes * int(local) != place.world:
        message = f"{place.world} processes are not {local} on each of {place.nodes} machines"
        hint = "start equally many on every machine"
        raise ConfigError([Problem("execution.devices", message, hint=hint)], "the environment")
    return place


def world_size(execution: PyTorchExecutionConfig, device: torch.device) -> int:
    """The number of processes that train together, this one included, as `execution` has it.

    One for each of as many devices like `device`; `auto` takes all GPUs, or one process on a CPU. 1 where
    torchrun or SLURM has started the others already. Raises ConfigError for a strategy or a number that cannot be.
    """
    outside = launched_outside() is not None
    available = torch.cuda.device_count() if device.type == "cuda" else 1
    wanted = available if execution.devices == "auto" else execution.devices
    problem = None
    if execution.strategy not in STRATEGIES:
        known = ", ".join(map(repr, STRATEGIES))
        problem = Problem("execution.strategy", f"must be one of {known}, got {execution.strategy!r}")
    elif execution.precision == "16-mixed" and device.type == "cpu":
        message = "'16-mixed' needs a GPU, this run is on a CPU"
        problem = Problem("execution.precision", message, hint="use bf16-mixed or 32-true")
    elif device.type == "cuda" and wanted > available and not outside:
        problem = Problem("execution.devices", f"{wanted} devices are required, this machine has {available}")
    if problem is not None:
        raise ConfigError([problem], "the execution options")
    return 1 if outside else wanted


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
