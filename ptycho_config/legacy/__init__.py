"""The flat legacy dict: its defaults, its seal, its view of a config, and the one way to write it."""

from ptycho_config.legacy.delta import RENAMED, LegacyDelta, legacy_delta, skipping_none, update_legacy_dict
from ptycho_config.legacy.params import DEFAULTS, LegacyParams, SealedError, legacy_params

__all__ = [
    "DEFAULTS",
    "RENAMED",
    "LegacyDelta",
    "LegacyParams",
    "SealedError",
    "legacy_delta",
    "legacy_params",
    "skipping_none",
    "update_legacy_dict",
]
