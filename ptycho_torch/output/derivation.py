"""The origin of a configuration as a record: base, named layers with their steps, result."""

from collections.abc import Mapping
from typing import Any

import attrs

from ptycho_config import Resolved, diff, load, resolve
from ptycho_config.layers import Layer
from ptycho_config.saved import save
from ptycho_config.schema import TrainingSetup
from ptycho_config.versions import version_of
from ptycho_torch.output.run_configs import RECORD
from ptycho_torch.output.run_records import from_json


@attrs.frozen
class SavedLayer:
    """The steps of the layer `layer`, each as `save` writes it."""

    layer: str
    steps: tuple[Mapping[str, Any], ...]


@attrs.frozen
class Derivation:
    """A resolved configuration, as `save` writes it; base and config are documents as `dump` writes them."""

    base: Mapping[str, Any]
    layers: tuple[SavedLayer, ...]
    config: Mapping[str, Any]
    fingerprint: str


def derivation_of(resolved: Resolved[Any]) -> Derivation:
    """The record of a resolved configuration. Raises ConfigError for a step that cannot be saved."""
    return from_json(Derivation, save(resolved), "the configuration")


def migrate_derivation(derivation: Derivation) -> Derivation:
    """The derivation of a training in the present version of the schema; of an older one, whose steps name options of
    its time, the configuration without its reasons. Raises ConfigError where it cannot be read."""
    schema = TrainingSetup.SCHEMA
    if all(version_of(one, schema) == schema for one in (derivation.base, derivation.config)):
        return derivation
    base, setup = TrainingSetup(), load(TrainingSetup, derivation.config)
    return derivation_of(resolve(base, Layer(RECORD, diff(base, setup))))
