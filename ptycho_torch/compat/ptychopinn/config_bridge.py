"""Flat torch-side configs to canonical ones; pure, over `ptycho_config.vocabulary.lift`.

`overrides` are canonical names with canonical values, applied on top.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from ptycho_config import ConfigError, Problem, parse
from ptycho_config.layers import OVERRIDES
from ptycho_config.resolve import resolve
from ptycho_config.schema import InferenceConfig, InferenceSetup, ModelConfig, TrainingConfig, TrainingSetup
from ptycho_config.schema.base import AnyConfig
from ptycho_config.transform import Transform
from ptycho_config.vocabulary import DataConfig, FlatInferenceConfig, FlatModelConfig, FlatTrainingConfig, from_flat

__all__ = ["to_inference_config", "to_model_config", "to_training_config"]

C = TypeVar("C", bound=AnyConfig)
T = TypeVar("T")
Overrides = Mapping[str, Any] | None


def to_model_config(data: DataConfig, model: FlatModelConfig, overrides: Overrides = None) -> ModelConfig:
    """The canonical model that flat data and model configs describe, overrides on top. Raises ConfigError."""
    steps = _below("training.model", from_flat(TrainingSetup, data, _with_mask(model)))
    return _resolve(ModelConfig(), steps, overrides)


def to_training_config(
    model: ModelConfig,
    data: DataConfig,
    pt_model: FlatModelConfig,
    training: FlatTrainingConfig,
    overrides: Overrides = None,
) -> TrainingConfig:
    """The canonical training config of a canonical model and flat data, pt_model and training, overrides on
    top; a training file is required. Raises ConfigError."""
    steps = _below("training", from_flat(TrainingSetup, data, _with_mask(pt_model), training), "training.model.")
    made = _resolve(TrainingConfig(model=model, backend="pytorch"), steps, overrides)
    _require("train_data_file", made.train_data_file)
    return made


def to_inference_config(
    model: ModelConfig, data: DataConfig, inference: FlatInferenceConfig, overrides: Overrides = None
) -> InferenceConfig:
    """The canonical inference config of a canonical model and flat data and inference; `model_path` and
    `test_data_file` come from the overrides."""
    given = dict(overrides or {})
    paths = {name: _require(name, given.pop(name, None)) for name in ("model_path", "test_data_file")}
    steps = _below("inference", from_flat(InferenceSetup, data, inference), "inference.model.")
    return _resolve(InferenceConfig(model=model, backend="pytorch", **paths), steps, given)


def _with_mask(model: FlatModelConfig) -> FlatModelConfig:
    """A mask array counts as the switch that it implies; the array itself has no place in a config."""
    array = model.probe_mask_tensor is not None or not isinstance(model.probe_mask, (bool, type(None)))
    return attrs.evolve(model, probe_mask=True, probe_mask_tensor=None) if array else model


def _below(prefix: str, transform: Transform, without: str = "\0") -> Transform:
    """The steps below a path, relative to it, but for those below another one."""
    steps = [step for step in transform.steps if step.path.startswith(f"{prefix}.")]
    kept = (step for step in steps if not step.path.startswith(without))
    return Transform(tuple(attrs.evolve(step, path=step.path.removeprefix(f"{prefix}.")) for step in kept))


def _resolve(base: C, flat: Transform, overrides: Overrides) -> C:
    return resolve(base, flat, parse(type(base), overrides or {}, OVERRIDES)).config


def _require(name: str, value: T | None) -> T:
    if value is None:
        raise ConfigError([Problem(name, "is required", hint=f"give it in overrides: {{{name!r}: ...}}")])
    return value
