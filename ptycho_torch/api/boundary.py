"""Where values meet the machine: seeds are drawn, packages looked for, memory measured."""

import math
import resource
import secrets
import sys
from collections.abc import Callable
from importlib.util import find_spec

from ptycho_config import (
    ConfigError,
    InferenceConfig,
    Problem,
    TorchOptions,
    TrainingConfig,
    TrainingSetup,
)
from ptycho_config.schema import leaves_of
from ptycho_torch.data.grouping import GroupPlan
from ptycho_torch.errors import DivergedError


def seed_or_fresh(seed: int | None) -> int:
    """The configured seed, or a new one, which the run record keeps."""
    return secrets.randbits(32) if seed is None else seed


def group_plan(run: TrainingConfig | InferenceConfig, options: TorchOptions) -> GroupPlan:
    """What a run asks of its groups."""
    pool = run.neighbor_pool_size or run.neighbor_count
    return GroupPlan(
        gridsize=run.model.gridsize,
        neighbor_count=run.neighbor_count,
        n_groups=run.n_groups,
        n_subsample=run.n_subsample,
        sequential=isinstance(run, TrainingConfig) and run.sequential_sampling,
        pool=pool if run.enable_oversampling else None,
        options=options.grouping,
    )


# Options that need a package which is not installed with this one.
_PACKAGES = {
    ("execution.logger_backend", "tensorboard"): ("tensorboard", "tensorboardX"),
    ("execution.logger_backend", "mlflow"): ("mlflow",),
    ("torch.net", "neuralop_uno"): ("neuralop",),
}


def check_packages(
    setup: TrainingSetup, find: Callable[[str], object] = find_spec, *, under: str = ""
) -> None:
    """ConfigError for every option whose path begins with `under` and whose optional package is not
    installed; `find` gives None for one that is not."""
    held = {path: value for path, _, value in leaves_of(setup)}
    problems = [
        Problem(
            path,
            f"{value!r} needs the package {names[0]!r}, which is not installed",
            hint=f"pip install 'ptycho[{'neuralop' if path == 'torch.net' else value}]', or choose another",
        )
        for (path, value), names in _PACKAGES.items()
        if path.startswith(under) and held[path] == value and not any(find(name) for name in names)
    ]
    if problems:
        raise ConfigError(problems, TrainingSetup.SCHEMA)


def finite(r_factor: float, scan: str) -> float:
    """The R factor, or DivergedError where the object that it judges holds what is no number."""
    if not math.isfinite(r_factor):
        raise DivergedError(
            f"the object of {scan} has values that are no numbers; nothing was written. "
            "Look at the patterns and the probe with `ptycho inspect`"
        )
    return r_factor


def peak_memory_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
