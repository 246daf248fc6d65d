"""A small bundle, checkpoint and configuration file of every kind that is read, and damage to a part of one."""

import json
import re
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ptycho_config import dump, parse, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_torch.compat.ptychodus.checkpoint import FLAT
from ptycho_torch.compat.ptychodus.checkpoint import read_checkpoint as read_client_model
from ptycho_torch.compat.ptychodus.checkpoint import write_checkpoint as write_client_model
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.output.bundle import Bundle, load_bundle, save_bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.output.run_configs import read_run
from ptycho_torch.output.run_records import Losses, TrainingRecord, to_json
from ptycho_torch.records import Canvas, Dataset
from ptycho_torch.training.checkpoints import IDENTITY, ORIGIN, SEED, read_checkpoint
from tests.fuzz.files import COUNTS, POSITION, PROBE
from tests.fuzz.mutations import damage_bytes

_YAML = """schema: ptycho.training/2
training:
  nepochs: 5
  model: {N: 128, gridsize: 1, architecture: unrolled}
torch:
  net: {kind: unrolled, stages: 2, width: 8}
  scale: &scale {domain: count_intensity}
"""


def _parse(path: Path) -> None:
    parse(TrainingSetup, path)(TrainingSetup())


READ_ARTEFACT: dict[str, Callable[[Path], Any]] = {
    "bundle": load_bundle,
    "checkpoint": read_checkpoint,
    "client model": read_client_model,
    "run config": read_run,
    "result": read_object,
    "npz result": read_object,
    "yaml config": _parse,
    "json config": _parse,
}
_NAMES = {
    "bundle": "wts.h5.zip",
    "checkpoint": "last.ckpt",
    "client model": "b.ckpt",
    "run config": "config.json",
    "result": "product.h5",
    "npz result": "object.npz",
    "yaml config": "c.yaml",
    "json config": "c.json",
}
# A small scan and its object.
_SCAN = Dataset("scan", COUNTS.astype(np.float32), POSITION, PROBE[None])
_CANVAS = Canvas(np.ones((40, 40), np.complex128), np.ones((40, 40), np.float32), (0, 0))


@cache
def _bundle() -> Bundle:
    weights = {"w": torch.ones(4, 4), "b": torch.zeros(4)}
    setup = TrainingSetup()
    return Bundle(setup, weights, derivation_of(resolve(setup)), TrainingRecord(history=Losses()))


def write_artefact(reader: str, folder: Path) -> Path:
    """Write a valid file for a reader into a folder; returns its path."""
    path, bundle = folder / _NAMES[reader], _bundle()
    match reader:
        case "bundle":
            return save_bundle(folder, bundle)
        case "checkpoint":
            lists: dict[str, Any] = {"callbacks": {"a": {"b": torch.ones(2)}}, "loops": {}, "optimizer_states": [{}]}
            own = {"epoch": 1, SEED: 3, IDENTITY: "x", ORIGIN: ""}
            torch.save({"state_dict": bundle.weights, **lists, **own}, path)
        case "client model":
            write_client_model(path, bundle, {name: made() for name, made in FLAT.items()})
        case "run config":
            path.write_text(json.dumps({"training": to_json(bundle.derivation)}))
        case "result":
            write_product(path, _SCAN, _CANVAS, [1.0, 0.5])
        case "npz result":
            write_reconstruction(path, _CANVAS)
        case "yaml config":
            path.write_text(_YAML)
        case _:
            path.write_text(json.dumps(dump(bundle.setup), indent=1))
    return path


_ODD = ("1e400", "-1e400", "NaN", str(10**30), "-1", "0", "[]", "{}", "null", '"x"', "1e-320", str(2**63), "true")


def damage_text(path: Path, rng: np.random.Generator) -> None:
    """Replace one or two numbers of a configuration by odd values."""
    text = path.read_text()
    for _ in range(int(rng.integers(1, 3))):
        numbers = list(re.finditer(r"(?<=[ :\[])-?\d[\d.e+-]*", text))
        chosen = numbers[int(rng.integers(len(numbers)))]
        text = text[: chosen.start()] + str(rng.choice(_ODD)) + text[chosen.end() :]
    path.write_text(text)


def damage_member(path: Path, rng: np.random.Generator) -> None:
    """Change bytes of one part of an archive, and write it with a checksum that fits."""
    with zipfile.ZipFile(path) as archive:
        parts = {info: archive.read(info) for info in archive.infolist()}
    chosen = list(parts)[int(rng.integers(len(parts)))]
    part = path.with_name("part")
    part.write_bytes(parts[chosen] or b"?")
    damage_bytes(part, rng)
    parts[chosen] = part.read_bytes()
    part.unlink()
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in parts.items():
            archive.writestr(info.filename, content, info.compress_type)
