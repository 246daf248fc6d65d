"""Flat torch-side configs to canonical ones; pure, over `ptycho_config.vocabulary.lift`.

`overrides` are canonical names with canonical values, applied on top.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from ptycho_config import (
    ConfigError,
    InferenceConfig,
    InferenceSetup,
    ModelConfig,
    Problem,
    TrainingConfig,
    TrainingSetup,
    Transform,
    from_mapping,
    resolve,
)
from ptycho_config.layers import OVERRIDES
from ptycho_config.transform import Step
from ptycho_config.vocabulary import DataConfig, FlatInferenceConfig, FlatModelConfig, FlatTrainingConfig, from_flat

__all__ = ["to_inference_config", "to_model_config", "to_training_config"]

C = TypeVar("C")
Overrides = Mapping[str, Any] | None
FLAT = "flat configs"


def to_model_config(data: DataConfig, model: FlatModelConfig, overrides: Overrides = None) -> ModelConfig:
    """The canonical model that flat data and model configs describe. Raises ConfigError."""
    steps = _below("training.model", from_flat(TrainingSetup, data, _with_mask(model)))
    return _resolved(ModelConfig(), steps, overrides)


def to_training_config(
    model: ModelConfig,
    data: DataConfig,
    pt_model: FlatModelConfig,
    training: FlatTrainingConfig,
    overrides: Overrides = None,
) -> TrainingConfig:
    """The canonical training config; a training file is required. Raises ConfigError."""
    steps = _below("training", from_flat(TrainingSetup, data, _with_mask(pt_model), training))
    outside = Transform(tuple(step for step in steps.steps if not step.path.startswith("model.")))
    base = TrainingConfig(model=model, backend="pytorch")
    made = _resolved(base, outside, overrides)
    _require("train_data_file", made.train_data_file)
    return made


def to_inference_config(
    model: ModelConfig, data: DataConfig, inference: FlatInferenceConfig, overrides: Overrides = None
) -> InferenceConfig:
    """The canonical inference config; `model_path` and `test_data_file` come from the overrides."""
    given = dict(overrides or {})
    paths = {name: _require(name, given.pop(name, None)) for name in ("model_path", "test_data_file")}
    base = InferenceConfig(model=model, backend="pytorch", **paths)
    steps = _below("inference", from_flat(InferenceSetup, data, inference))
    outside = Transform(tuple(step for step in steps.steps if not step.path.startswith("model.")))
    return _resolved(base, outside, given)


def _with_mask(model: FlatModelConfig) -> FlatModelConfig:
    """A mask array counts as the switch that it implies; the array itself has no place in a config."""
    array = model.probe_mask_tensor is not None or not isinstance(model.probe_mask, (bool, type(None)))
    return attrs.evolve(model, probe_mask=True, probe_mask_tensor=None) if array else model


def _below(prefix: str, transform: Transform) -> Transform:
    inside = (step for step in transform.steps if step.path.startswith(f"{prefix}."))
    return Transform(tuple(_shortened(step, len(prefix) + 1) for step in inside))


def _shortened(step: Step, start: int) -> Step:
    return attrs.evolve(step, path=step.path[start:])


def _resolved(base: C, flat: Transform, overrides: Overrides) -> C:
    return resolve(base, flat, from_mapping(type(base), overrides or {}, OVERRIDES)).config


def _require(name: str, value: C | None) -> C:
    if value is None:
        raise ConfigError([Problem(name, "is required", hint=f"give it in overrides: {{{name!r}: ...}}")])
    return value
