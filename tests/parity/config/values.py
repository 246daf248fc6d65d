"""The notation of the case files: values in, values out."""

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch

from ptycho_config import create_training_payload, resolve, vocabulary
from ptycho_config.schema import InferenceConfig, ModelConfig, PyTorchExecutionConfig, TrainingConfig
from ptycho_torch.output.bundle import Bundle, save_bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.run_records import Losses, TrainingRecord

CLASSES = {
    "canonical.ModelConfig": ModelConfig,
    "canonical.TrainingConfig": TrainingConfig,
    "canonical.InferenceConfig": InferenceConfig,
    "PyTorchExecutionConfig": PyTorchExecutionConfig,
    "torch.DataConfig": vocabulary.DataConfig,
    "torch.ModelConfig": vocabulary.FlatModelConfig,
    "torch.TrainingConfig": vocabulary.FlatTrainingConfig,
    "torch.InferenceConfig": vocabulary.FlatInferenceConfig,
    "torch.DatagenConfig": vocabulary.DatagenConfig,
}
NAMES = {cls: name for name, cls in CLASSES.items()}


def decode(value: Any, folder: Path) -> Any:
    """A value of a case file as this package's object."""
    if isinstance(value, str):
        return value.replace("${TMP}", str(folder))
    if isinstance(value, list):
        return [decode(item, folder) for item in value]
    return _decode_table(value, folder) if isinstance(value, dict) else value


def _decode_table(value: dict[str, Any], folder: Path) -> Any:
    made = {key: decode(item, folder) for key, item in value.items()}
    match made:
        case {"$path": path}:
            return Path(path)
        case {"$float": number}:
            return float(number)
        case {"$tuple": items}:
            return tuple(items)
        case {"$tensor": {"shape": shape, "fill": fill}}:
            return torch.full(shape, fill)
        case {"$class": name, "fields": fields}:
            return CLASSES[name](**fields)
    return made


def encode(value: Any, folder: Path) -> Any:
    """An object of this package in the notation of the case files."""
    if type(value) in NAMES:
        fields = {a.name: encode(getattr(value, a.name), folder) for a in attrs.fields(type(value))}
        return {"$class": NAMES[type(value)], "fields": fields}
    return _encode_plain(value, folder)


def _encode_plain(value: Any, folder: Path) -> Any:
    if isinstance(value, Path):
        return {"$path": str(value).replace(str(folder), "${TMP}")}
    if isinstance(value, str):
        return value.replace(str(folder), "${TMP}")
    if isinstance(value, tuple):
        return {"$tuple": [encode(item, folder) for item in value]}
    if isinstance(value, list):
        return [encode(item, folder) for item in value]
    return {key: encode(item, folder) for key, item in value.items()} if isinstance(value, dict) else value


def write_files(given: dict[str, Any], folder: Path) -> None:
    """The files that a case finds. An empty model archive stands for a trained model, so a
    bundle of ours takes its place."""
    wanted = given.get("fs", {})
    for name in wanted.get("dirs", []):
        (folder / name).mkdir(parents=True)
    for name, content in wanted.get("files", {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if "npz" in content:
            _write_scan(path, content)
        elif path.name == "wts.h5.zip":
            write_bundle(path.parent)
        else:
            path.write_text(content.get("text", ""), encoding="utf-8")


def _write_scan(path: Path, content: dict[str, Any]) -> None:
    arrays = {
        name: np.full(array["shape"], array.get("fill", 1), array["dtype"]) for name, array in content["npz"].items()
    }
    metadata = content.get("metadata")
    if metadata is not None:
        text = metadata if isinstance(metadata, str) else json.dumps(metadata)
        arrays["_metadata"] = np.array(text, dtype=object)
    np.savez(path, **arrays)  # type: ignore[arg-type] # numpy's stub takes the names for its own options


def write_bundle(folder: Path) -> None:
    """A model trained with the backend's defaults; its weights do not matter here."""
    setup = create_training_payload()[0].config
    save_bundle(folder, Bundle(setup, {}, derivation_of(resolve(setup)), TrainingRecord(history=Losses())))
