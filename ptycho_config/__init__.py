"""Configuration as values: frozen configs, changes that compose, a reason for every value.

The schema stands in `ptycho_config.schema`; everything else is imported from the module that defines it. Schema,
readers and factories are loaded when they are used, so that configs of one's own do not wait for those of this project.
"""

from typing import TYPE_CHECKING

import lazy_loader

import ptycho_config.migrations  # noqa: F401 - registers the steps from older documents
from ptycho_config.codec import dump, fingerprint, load
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.lens import at, fields, narrow
from ptycho_config.resolve import Resolved, resolve
from ptycho_config.schema.base import config
from ptycho_config.schema.fields import field
from ptycho_config.transform import Transform, diff, layer, product
from ptycho_config.versions import migration

if TYPE_CHECKING:
    from ptycho_config.documents import parse
    from ptycho_config.factory import Sources, create_inference_payload, create_training_payload
    from ptycho_config.legacy import LegacyDelta, update_legacy_dict
    from ptycho_config.saved import replay, save

__all__ = [
    "ConfigError",
    "LegacyDelta",
    "Problem",
    "Resolved",
    "Sources",
    "Transform",
    "at",
    "config",
    "create_inference_payload",
    "create_training_payload",
    "diff",
    "dump",
    "field",
    "fields",
    "fingerprint",
    "layer",
    "load",
    "migration",
    "narrow",
    "parse",
    "product",
    "replay",
    "resolve",
    "save",
    "update_legacy_dict",
]

if not TYPE_CHECKING:
    # For type checkers a module with `__getattr__` has every name.
    __getattr__, _, _ = lazy_loader.attach(
        __name__,
        submod_attrs={
            "documents": ["parse"],
            "factory": ["Sources", "create_inference_payload", "create_training_payload"],
            "legacy": ["LegacyDelta", "update_legacy_dict"],
            "saved": ["replay", "save"],
        },
    )


def __dir__() -> list[str]:
    return __all__
