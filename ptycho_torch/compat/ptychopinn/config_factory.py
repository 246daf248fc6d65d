"""The factories and their helpers under the names that PtychoPINN users know."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import attrs

from ptycho_config import parse, resolve
from ptycho_config.factory import Sources, create_inference_payload, create_training_payload
from ptycho_config.layers import OVERRIDES
from ptycho_config.legacy import LegacyDelta, legacy_delta, legacy_params, update_legacy_dict
from ptycho_config.profiles import profile
from ptycho_config.schema import InferenceConfig, TrainingConfig, TrainingSetup
from ptycho_config.vocabulary import to_flat
from ptycho_torch.data.readers import inspect_dataset

__all__ = [
    "Sources",
    "create_inference_payload",
    "create_training_payload",
    "infer_probe_size",
    "populate_legacy_params",
    "resolve_ci_profile",
]

_CI = (
    "scale_contract_version",
    "measurement_domain",
    "physics_forward_mode",
    "torch_loss_mode",
    "loss_function",
    "amplitude_physics_gain",
    "rect_s1s2_trainable",
    "rect_s1s2_init",
    "cnn_output_mode",
)


def infer_probe_size(path: Path) -> int:
    """Side of the patterns of a scan, px. Raises DataError where the file does not say."""
    return inspect_dataset(Path(path)).n_pixels


def populate_legacy_params(
    config: TrainingConfig | InferenceConfig,
    force: bool = False,  # noqa: ARG001, FBT001, FBT002 - part of the signature that callers know
    *,
    legacy: MutableMapping[str, Any] = legacy_params,
) -> LegacyDelta:
    """Write a config into the legacy dict of this process and return the delta that restores it.

    Call it at the boundary of a run, before any data is loaded. `force` silenced a warning of the
    replaced system; here nothing warns, so both values do the same.
    """
    if not isinstance(config, (TrainingConfig, InferenceConfig)):
        raise TypeError(f"takes a TrainingConfig or an InferenceConfig, got a {type(config).__name__}")
    return update_legacy_dict(legacy, legacy_delta(config))


def resolve_ci_profile(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The profile `ci` in flat names, with `overrides` on top; what it fixes cannot be changed.

    Raises ConfigError that names both sides.
    """
    given = dict(overrides or {})
    changes = parse(TrainingSetup, given, OVERRIDES)
    flat = to_flat(resolve(TrainingSetup(), profile("ci"), changes).config)
    values = {**attrs.asdict(flat.data), **attrs.asdict(flat.training), **attrs.asdict(flat.model)}
    return {**{name: values[name] for name in _CI}, **given}
