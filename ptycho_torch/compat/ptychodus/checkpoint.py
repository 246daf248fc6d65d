"""The model file of the client: one `.ckpt` that holds all that a reconstruction needs."""

import json
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from ptycho_config import ConfigError, dump, load
from ptycho_config.schema import TrainingSetup
from ptycho_torch.compat.ptychodus.settings import DataConfig, InferenceConfig, ModelConfig, TrainingConfig
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.files import atomic_write
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.derivation import Derivation
from ptycho_torch.output.run_records import TrainingRecord, from_json, to_json
from ptycho_torch.training.checkpoints import load_data

SCHEMA = "ptycho.ptychodus/1"
# In the order in which the client takes them apart.
FLAT = {
    "data_config": DataConfig,
    "model_config": ModelConfig,
    "training_config": TrainingConfig,
    "inference_config": InferenceConfig,
}
_HINT = "give the .ckpt of a training with this package"


def write_checkpoint(path: Path, bundle: Bundle, flats: dict[str, Any]) -> None:
    """Write a bundle, its weights on the CPU, and the client's flats by name to `path`, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in bundle.weights.items()}
    text = {
        "schema": SCHEMA,
        "config": json.dumps(dump(bundle.setup)),
        "derivation": json.dumps(to_json(bundle.derivation)),
        "record": json.dumps(to_json(bundle.record)),
        "ptychodus": json.dumps({name: attrs.asdict(one) for name, one in flats.items()}),
    }
    with atomic_write(path) as temporary:
        torch.save({**text, "state_dict": weights}, temporary)


def read_checkpoint(path: Path) -> tuple[Bundle, dict[str, Any]]:
    """The trained model and the client's fields. Runs nothing of the file. Raises DataError."""
    if not path.is_file():
        raise MissingFileError(str(path), "no such file", _HINT)
    try:
        stored = _content(path)
        setup = load(TrainingSetup, json.loads(stored["config"]))
        derivation = from_json(Derivation, json.loads(stored["derivation"]), path)
        record = from_json(TrainingRecord, json.loads(stored["record"]), path)
        bundle = Bundle(setup, _weights(stored), derivation, record)
        fields = json.loads(stored["ptychodus"])
        flats = {name: cls(**_tuples(fields[name])) for name, cls in FLAT.items()}
    except DataError:
        raise
    except ConfigError as error:
        raise DataError(str(path), f"its configuration cannot be read: {error}", _HINT) from None
    except Exception as error:  # noqa: BLE001 - the bytes decide what the reader of pickles raises
        raise DataError(str(path), f"is damaged or foreign: {error}", _HINT) from None
    return bundle, flats


def _content(path: Path) -> dict[str, Any]:
    stored = load_data(path)
    if not isinstance(stored, dict) or stored.get("schema") != SCHEMA:
        raise DataError(str(path), "is no model of this package", _HINT)
    return stored


def _weights(stored: dict[str, Any]) -> dict[str, Tensor]:
    weights = stored["state_dict"]
    if not isinstance(weights, dict) or not all(isinstance(one, Tensor) for one in weights.values()):
        raise TypeError("it holds no weights")
    return weights


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no tuples; the fields that are pairs are tuples."""
    pairs = {name: tuple(value) for name, value in values.items() if isinstance(value, list) and len(value) == 2}
    return {**values, **pairs}


def find_best_checkpoint(folder: Path | str) -> Path | None:
    """The newest `best-checkpoint.ckpt` of a run folder, or of a folder of runs; None without one."""
    found = [
        *Path(folder).glob("checkpoints/best-checkpoint.ckpt"),
        *Path(folder).glob("run_*/checkpoints/best-checkpoint.ckpt"),
    ]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
