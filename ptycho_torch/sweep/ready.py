"""Axes by short names: dose, overlap, probe error, training size and seed, and scans that are simulated for them."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from ptycho_config import ConfigError, Problem, dump, parse, resolve
from ptycho_torch.files import create_writable_folder
from ptycho_torch.physics.spacing import effective_diameter
from ptycho_torch.simulation import Simulation, simulate, write_simulation
from ptycho_torch.simulation.scan import make_probe

SWEEP = "sweep"
SIMULATE = "simulate."
OVERLAP, SEED = "overlap", "seed"
# Short names, and what each sets of the training and of the simulated scan.
READY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dose": ((), ("detector.photons={}",)),
    OVERLAP: ((), ("overlap={}",)),
    "probe_error": ((), ("guess=defocused", "guess.defocus_rad={}")),
    "training_size": (("training.n_subsample={}",), ()),
    SEED: (("training.subsample_seed={}",), ("seed={}",)),
}
# What they are called in pictures, with their units.
LABELS = {
    "dose": "photons in a pattern",
    OVERLAP: "overlap of neighbouring patterns",
    "probe_error": "error of the probe's defocus (rad)",
    "training_size": "patterns to train on",
}


@attrs.frozen
class Value:
    """One value of an axis: as given, and the assignments of it to the training and to the simulated scan."""

    text: str
    training: tuple[str, ...]
    simulation: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the axis."""
        return self.text.partition("=")[0]


def expand(text: str) -> Value:
    """A value of an axis, written `NAME=VALUE`: a short name, `simulate.` and an option of simulations, or an option of
    trainings."""
    name, _, value = text.partition("=")
    if name in READY:
        training, simulation = READY[name]
        return Value(text, *(tuple(one.format(value) for one in part) for part in (training, simulation)))
    if name.startswith(SIMULATE):
        return Value(text, (), (text.removeprefix(SIMULATE),))
    return Value(text, (text,), ())


def simulation_of(base: Simulation, values: Sequence[Value]) -> Simulation:
    """The simulation of one point of a sweep: base with its values; overlap is `1 - step / diameter` of the probe.
    Raises ConfigError."""
    texts = [text for value in values for text in value.simulation]
    overlap = [text for text in texts if text.startswith(f"{OVERLAP}=")]
    options = resolve(base, parse(Simulation, [text for text in texts if text not in overlap], SWEEP)).config
    for text in overlap:
        share = _share(text)
        modes = make_probe(options)
        diameter = effective_diameter(np.square(np.abs(modes)).sum(axis=0))
        step = f"step_px={(1 - share) * diameter:.6g}"
        options = resolve(options, parse(Simulation, [step], SWEEP)).config
    return options


def _share(text: str) -> float:
    value = text.partition("=")[2]
    try:
        if 0 <= (share := float(value)) < 1:
            return share
    except ValueError:
        pass
    raise ConfigError([Problem(OVERLAP, f"must be 0 or greater and less than 1, got {value!r}")], SWEEP)


def make_scan(options: Simulation, folder: Path) -> Path:
    """The simulated scan of the options in a folder, made where it is not there yet. Raises DataError."""
    text: str = json.dumps(dump(options), sort_keys=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        create_writable_folder(folder)
        write_simulation(path, simulate(options))
    return path


def named_values(value: Value, changes: dict[str, Any]) -> dict[str, Any]:
    """The value of an axis by name, for tables: of a short name its number, otherwise the changes of options."""
    if value.name in READY or value.name.startswith(SIMULATE):
        text = value.text.partition("=")[2]
        try:
            return {value.name: float(text)}
        except ValueError:
            return {value.name: text}
    return changes
