"""Killed right before any change of a file, a run is repeated or resumed to the same bits; no reader sees half of it.

The quick tests kill where most is at stake, `make slow` at every change of a file of every verb.
"""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest

from ptycho_config import Sources
from ptycho_config.schema import RefineOptions
from ptycho_torch.api import TrainingRun, reconstruct, train
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.cli.main import main
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.sweep import axis, plan_sweep
from ptycho_torch.sweep import trial as sweep_trial
from ptycho_torch.sweep.plan import Base
from ptycho_torch.sweep.run import write_order
from ptycho_torch.training.checkpoints import LAST, epochs_of
from tests.reliability.processes import KILLED, count_operations, start, status_of
from tests.runs import SMALL

STAGE = Path("finetune_checkpoints") / "last-fine-tuning.ckpt"
Outcome = dict[str, Any]


class Inputs(NamedTuple):
    """A scan, and a bundle."""

    scan: Path
    bundle: Path


def run_training(folder: Path, inputs: Inputs) -> None:
    """Train, from the last checkpoint if there is one."""
    options = {**SMALL, "epochs_fine_tune": 2, "execution.deterministic": True}
    resume = (folder / LAST).is_file()
    train(inputs.scan, folder, sources=Sources(overrides=options), legacy={}, resume=resume)


def run_inference(folder: Path, inputs: Inputs) -> None:
    """Reconstruct, refined by one pass."""
    options = {"torch.refine.passes": 1, "torch.refine.unknown": (), "subsample_seed": 2}
    reconstruct(inputs.scan, folder, model=inputs.bundle, sources=Sources(overrides=options), legacy={})


def run_refinement(folder: Path, inputs: Inputs) -> None:
    """Refine from a flat object."""
    refine_scan(inputs.scan, folder, RefineOptions(passes=1), start="flat", seed=2)


def run_trial(folder: Path, inputs: Inputs) -> None:
    """Train and reconstruct as a trial of a sweep does; the sweep writes the order again, as it does."""
    base = folder.parent / "base.json"
    if not base.exists():
        base.write_text(json.dumps({**SMALL, "training.train_data_file": str(inputs.scan)}))
    planned = Base(base, "recommended", (), inputs.scan, where=folder.parent)
    (trial,) = plan_sweep(planned, [axis("execution.learning_rate=0.002")], folder.parent)
    sweep_trial.main(str(write_order(attrs.evolve(trial, folder=folder))))


def run_sweep(folder: Path, inputs: Inputs, rates: str = "0.002,0.004") -> None:
    """Sweep learning rates; the trials are processes of their own, which a kill takes with it."""
    base = folder.parent / "base.json"
    if not base.exists():
        base.write_text(json.dumps({**SMALL, "training.train_data_file": str(inputs.scan)}))
    axes = ["--axis", f"execution.learning_rate={rates}"]
    assert main(["sweep", str(base), *axes, "--output-dir", str(folder), "--quiet"]) == 0


def read_training(folder: Path) -> Outcome:
    """The weights and losses in a bundle."""
    bundle = load_bundle(folder)
    weights = {name: tensor.numpy().tobytes() for name, tensor in bundle.weights.items()}
    return {"bundle": (weights, bundle.record.history)}


def read_reconstruction(folder: Path) -> Outcome:
    """The objects in the files of a reconstruction, as far as they can be read."""
    found: Outcome = {}
    for name in ("product.h5", "reconstruction.npz"):
        try:
            found[name] = np.asarray(read_object(folder / name).values).tobytes()
        except DataError:
            continue
    return found


def read_trial(folder: Path) -> Outcome:
    """The result of a trial, which is there at its end only."""
    result = json.loads((folder / "trial.json").read_text())["result"]
    return {**read_training(folder), "trial": (result["loss"], result["epochs"], result["R"])}


def read_sweep(folder: Path) -> Outcome:
    """The results of its trials, and the table, which is there at its end only."""
    found: Outcome = {}
    for path in folder.glob("trials/*/trial.json"):
        result = json.loads(path.read_text())["result"]
        found[path.parent.name] = (result["loss"], result["epochs"])
    if (folder / "results.json").exists():
        with (folder / "sweep.csv").open() as stream:
            found["table"] = [(row["trial"], float(row["loss"])) for row in csv.DictReader(stream)]
    return found


class Verb(NamedTuple):
    """A run into a folder, and what it leaves there."""

    run: Callable[[Path, Inputs], None]
    read: Callable[[Path], Outcome]
    checkpoints: bool = False


VERBS = {
    "training": Verb(run_training, read_training, checkpoints=True),
    "inference": Verb(run_inference, read_reconstruction),
    "refinement": Verb(run_refinement, read_reconstruction),
    "trial": Verb(run_trial, read_trial, checkpoints=True),
    "sweep": Verb(run_sweep, read_sweep),
}


class Reference(NamedTuple):
    """A run that was not killed: where it starts, its changes of files, its outcome and the names of its files."""

    earlier: Path
    before: Outcome
    changes: list[str]
    outcome: Outcome
    names: set[str]


def _names(folder: Path) -> set[str]:
    # The loggers number their runs.
    every = (path.relative_to(folder) for path in folder.rglob("*"))
    return {str(path) for path in every if "lightning_logs" not in path.parts}


def _read(verb: Verb, folder: Path) -> Outcome:
    try:
        return verb.read(folder)
    except (DataError, FileNotFoundError):
        return {}


def _reference(name: str, inputs: Inputs, place: Path) -> Reference:
    verb, earlier, folder = VERBS[name], place / "earlier", place / "whole"
    earlier.mkdir()
    if name == "inference":
        # The results of another verb, which it replaces.
        assert status_of(start(run_refinement, earlier, inputs)) == 0
    elif name == "sweep":
        # One of its trials, without its table.
        assert status_of(start(run_sweep, earlier, inputs, "0.002")) == 0
        for path in (path for path in earlier.iterdir() if path.is_file()):
            path.unlink()
    shutil.copytree(earlier, folder)
    assert status_of(start(count_operations, folder, 0, place / "log", verb.run, folder, inputs)) == 0
    changes = (place / "log").read_text().splitlines()
    return Reference(earlier, _read(verb, earlier), changes, verb.read(folder), _names(folder))


def _kill(name: str, reference: Reference, kill_at: int, inputs: Inputs, place: Path) -> str:
    """Kill a run at a change, check what it left, and repeat it; returns the state in which it was."""
    verb, folder = VERBS[name], place / f"killed-{kill_at}"
    shutil.copytree(reference.earlier, folder)
    killed = start(count_operations, folder, kill_at, place / f"log-{kill_at}", verb.run, folder, inputs)
    assert status_of(killed) == KILLED
    found = _read(verb, folder)
    whole = [state for state in (reference.before, reference.outcome) if found.items() <= state.items()]
    assert whole, f"{name} killed at {kill_at}: results of two runs"
    state = "refused or none" if not found else "complete" if found == reference.outcome else "earlier results"
    if verb.checkpoints:
        for last in (LAST, STAGE):
            saved = sum(change.endswith(f"/{last}") for change in reference.changes[: kill_at - 1])
            assert saved == 0 or epochs_of(folder / last) == saved, f"{name} killed at {kill_at}: lost epochs"
            state += f", {saved} epochs" if saved else ""
    assert status_of(start(verb.run, folder, inputs)) == 0, f"{name} killed at {kill_at}: cannot be repeated"
    assert verb.read(folder) == reference.outcome, f"{name} killed at {kill_at}: another outcome"
    # A checkpoint that was about to be removed may stay.
    left = {one for one in _names(folder) ^ reference.names if "checkpoints/epoch=" not in one}
    assert left == set(), f"{name} killed at {kill_at}: files left"
    shutil.rmtree(folder)
    return state


@pytest.fixture
def inputs(scan_file: Path, trained: TrainingRun) -> Inputs:
    """The small scan and the network that was trained on it."""
    return Inputs(scan_file, trained.bundle)


def _changes_of(reference: Reference, name: str) -> list[int]:
    """The numbers of the changes that put a file of that name into its place."""
    return [at for at, change in enumerate(reference.changes, 1) if change.endswith(f"/{name}")]


def test_a_training_that_is_killed_is_resumed(inputs: Inputs, tmp_path: Path) -> None:
    """In its fine-tuning, and between its results."""
    reference = _reference("training", inputs, tmp_path)
    ends = [_changes_of(reference, name)[-1] for name in (str(STAGE), "metrics.json")]
    states = [_kill("training", reference, at, inputs, tmp_path) for at in ends]
    assert states == [f"refused or none, 2 epochs, {tuned} epochs" for tuned in (1, 2)]


def test_a_reconstruction_that_is_killed_is_repeated(inputs: Inputs, tmp_path: Path) -> None:
    """While it replaces the results of another run."""
    reference = _reference("inference", inputs, tmp_path)
    at = _changes_of(reference, "whole/product.h5")[-1]
    assert _kill("inference", reference, at, inputs, tmp_path) == "refused or none"


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_no_change_of_a_file_is_a_bad_moment(name: str, inputs: Inputs, tmp_path: Path) -> None:
    """For every verb and every one of its changes; prints how many, and the states that were found."""
    reference = _reference(name, inputs, tmp_path)
    moments = range(1, len(reference.changes) + 1)
    states = Counter(_kill(name, reference, at, inputs, tmp_path) for at in moments)
    print(f"{name}: {len(moments)} kills; {dict(states)}")
