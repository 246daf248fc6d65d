"""Configuration as values: frozen configs, changes that compose, a reason for every value."""

from ptycho_config.codec import dump, dump_derivation, fingerprint, load, migrate, migration
from ptycho_config.documents import config_file, from_mapping, parse
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.factory import LAYER_ORDER, Sources, create_inference_payload, create_training_payload
from ptycho_config.facts import DatasetFacts
from ptycho_config.json_schema import json_schema
from ptycho_config.legacy import LegacyDelta, legacy_delta, update_legacy_dict
from ptycho_config.lens import Lens, at, fields, narrow
from ptycho_config.profiles import PROFILES, profile
from ptycho_config.resolve import Resolved, resolve
from ptycho_config.schema import (
    DataOptions,
    InferenceConfig,
    InferenceSetup,
    ModelConfig,
    OverlapOptions,
    PrimedOptions,
    PyTorchExecutionConfig,
    StitchOptions,
    TorchOptions,
    TrainingConfig,
    TrainingSetup,
    config,
    field,
)
from ptycho_config.transform import Step, Transform, diff, layer, product

__all__ = [
    "LAYER_ORDER",
    "PROFILES",
    "ConfigError",
    "DataOptions",
    "DatasetFacts",
    "InferenceConfig",
    "InferenceSetup",
    "LegacyDelta",
    "Lens",
    "ModelConfig",
    "OverlapOptions",
    "PrimedOptions",
    "Problem",
    "PyTorchExecutionConfig",
    "Resolved",
    "Sources",
    "Step",
    "StitchOptions",
    "TorchOptions",
    "TrainingConfig",
    "TrainingSetup",
    "Transform",
    "at",
    "config",
    "config_file",
    "create_inference_payload",
    "create_training_payload",
    "diff",
    "dump",
    "dump_derivation",
    "field",
    "fields",
    "fingerprint",
    "from_mapping",
    "json_schema",
    "layer",
    "legacy_delta",
    "load",
    "migrate",
    "migration",
    "narrow",
    "parse",
    "product",
    "profile",
    "resolve",
    "update_legacy_dict",
]
