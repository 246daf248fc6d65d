"""The origin of a configuration as a record: base, named layers with their steps, result."""

from collections.abc import Mapping
from typing import Any

import attrs

from ptycho_config import Resolved
from ptycho_config.saved import save
from ptycho_config.versions import migrate
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


def migrate_derivation(derivation: Derivation, schema: str) -> Derivation:
    """The derivation with both documents, which have the schema of their time, in the present version of `schema`."""
    base, config = (migrate(document, schema) for document in (derivation.base, derivation.config))
    return attrs.evolve(derivation, base=base, config=config)
