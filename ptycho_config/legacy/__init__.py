"""The flat legacy dict: its defaults, its seal, its view of a config, and the one way to write it."""

from ptycho_config.legacy.delta import RENAMED as RENAMED
from ptycho_config.legacy.delta import LegacyDelta as LegacyDelta
from ptycho_config.legacy.delta import legacy_delta as legacy_delta
from ptycho_config.legacy.delta import legacy_values as legacy_values
from ptycho_config.legacy.delta import update_legacy_dict as update_legacy_dict
from ptycho_config.legacy.params import DEFAULTS as DEFAULTS
from ptycho_config.legacy.params import LegacyParams as LegacyParams
from ptycho_config.legacy.params import SealedError as SealedError
from ptycho_config.legacy.params import legacy_params as legacy_params
