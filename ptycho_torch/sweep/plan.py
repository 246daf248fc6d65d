"""From a base and axes to trials, each resolved and checked before any of them runs."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from ptycho_config import ConfigError, Problem, Sources, fingerprint, product
from ptycho_config.documents import parse_or_explain
from ptycho_config.profiles import named_profile
from ptycho_config.schema import TrainingSetup
from ptycho_config.transform import Transform
from ptycho_torch.api import resolve_training
from ptycho_torch.output.run_configs import read_config
from ptycho_torch.simulation import Simulation
from ptycho_torch.sweep.ready import SWEEP, Value, expand, make_scan, named_values, simulation_of


@attrs.frozen
class Base:
    """The part that all trials share, as text.

    config: a config file or a run; profile: a name or a file; assignments: `PATH=VALUE`; test_data: the scan that
    every trial reconstructs, None for none; truth: its object, None where it is not known; where: the folder that
    relative paths start from.
    """

    config: Path | None
    profile: str
    assignments: tuple[str, ...]
    test_data: Path | None = None
    truth: Path | None = None
    where: Path = attrs.field(factory=Path.cwd)

    def sources(self, point: Transform, problems: tuple[Problem, ...] = ()) -> Sources:
        """The layers of one trial; point: the changes of its axes, as explicit overrides; problems: of those."""
        assigned, found = parse_or_explain(TrainingSetup, list(self.assignments))
        from_file = Transform()
        if self.config:
            try:
                from_file = read_config(TrainingSetup, self.config)
            except ConfigError as error:
                found = (*error.problems, *found)
        return Sources(config_file=from_file, command_line=assigned, overrides=point, problems=(*found, *problems))


@attrs.frozen
class Trial:
    """One point of a sweep.

    key: of everything that decides the result; equal keys are the same trial. point: the options of trainings that the
    axes set, as text; values: those of all axes by name; folder: of its results; base: the part that all trials share.
    """

    key: str
    point: tuple[str, ...]
    values: dict[str, Any] = attrs.field(hash=False)
    folder: Path = attrs.field()
    base: Base = attrs.field()

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())


def axis(text: str) -> tuple[str, ...]:
    """`"path=v1,v2"` to `("path=v1", "path=v2")`; commas within brackets or quotes do not separate.

    text: an axis as written on a command line. Raises ConfigError where it does not read so.
    """
    path, equals, values = text.partition("=")
    if not equals or not path or not values:
        raise ConfigError([Problem(text, "must read PATH=VALUE,VALUE,...", hint="for instance N=64,128")], SWEEP)
    parts, depth, quoted = [""], 0, False
    for character in values:
        quoted ^= character == '"'
        depth += 0 if quoted else (character in "[{(") - (character in "]})")
        if character == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return tuple(f"{path}={part.strip()}" for part in parts)


def plan_sweep(
    base: Base, axes: Sequence[Sequence[str]], folder: Path, simulation: Simulation | None = None
) -> tuple[Trial, ...]:
    """The product of the axes (`ptycho_config.product`), first axis slowest.

    base: shared by all trials; axes: for each axis its assignments, see `ready.expand`; folder: of the sweep;
    simulation: of the scan that each trial trains on, reconstructs and is compared with, None for scans of files. Every
    point is resolved with the facts of its scan, so that a mistake ends the sweep before it starts. Raises
    DataError, and ConfigError also for points that are the same trial and for a run without a seed,
    whose repetition would be another run.
    """
    values = [[expand(text) for text in one] for one in axes]
    changes = [[parse_or_explain(TrainingSetup, list(one.training), SWEEP) for one in axis] for axis in values]
    problems = tuple(problem for one in changes for _, found in one for problem in found)
    if problems:
        # Raises them, with those of the base.
        resolve_training(profile=named_profile(base.profile), sources=base.sources(Transform(), problems))
    points = product(*([change for change, _ in one] for one in changes))
    trials: dict[str, Trial] = {}
    for point, text in zip(points, itertools.product(*values), strict=True):
        trial = _trial(_with_scan(base, text, folder.absolute(), simulation), point, text, folder.absolute())
        if trial.key in trials:
            message = f"{trial} and {trials[trial.key]} are the same trial"
            raise ConfigError([Problem("axis", message, hint="name each value once")], SWEEP)
        trials[trial.key] = trial
    return tuple(trials.values())


def _with_scan(base: Base, values: Sequence[Value], folder: Path, simulation: Simulation | None) -> Base:
    """The base with the simulated scan of a point. Raises ConfigError where there is none to change."""
    if simulation is None:
        for value in values:
            if value.simulation and not value.training:
                hint = "give --simulate, with a file of options for ptycho simulate or without"
                raise ConfigError([Problem(value.name, "is an axis of simulated scans", hint=hint)], SWEEP)
        return base
    path = make_scan(simulation_of(simulation, values), folder / "scans")
    given = (*base.assignments, f"training.train_data_file={path}")
    return attrs.evolve(base, assignments=given, test_data=path, truth=path)


def trial_key(setup: TrainingSetup, base: Base) -> str:
    """12 hex digits of everything that decides the result of a trial: its setup and the files of its base."""
    files = [setup.training.train_data_file, setup.training.test_data_file, base.test_data]
    if base.truth is not None:
        files.append(base.truth)
    identity = [fingerprint(setup), *map(str, files)]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]


def _trial(base: Base, point: Transform, values: Sequence[Value], folder: Path) -> Trial:
    configs, _ = resolve_training(profile=named_profile(base.profile), sources=base.sources(point))
    setup = configs.config
    if setup.training.subsample_seed is None:
        hint = "set it in the base, or make it an axis"
        raise ConfigError([Problem("training.subsample_seed", "a sweep needs a seed", hint=hint)], SWEEP)
    key = trial_key(setup, base)
    named: dict[str, Any] = {}
    for value in values:
        own = parse_or_explain(TrainingSetup, list(value.training), SWEEP)[0]
        named |= named_values(value, {step.path: step.arg for step in own.steps})
    text = tuple(one for value in values for one in value.training)
    return Trial(key, text, named, folder / "trials" / key, base)
