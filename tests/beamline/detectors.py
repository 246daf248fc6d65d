"""Detectors of this beamline."""

from typing import ClassVar

from ptycho_config import config, field
from ptycho_config.schema.checks import positive


@config
class Options:
    """A detector that counts photons."""

    KIND: ClassVar[str] = "counting"

    dead_time: float = field(default=0.0, unit="s", doc="time without counts after a photon")
    kind: str = field(default="eiger", doc="model of the detector")


@config
class Window:
    """A part of the detector."""

    top: int = field(default=0, unit="px", doc="first row")
    height: int = field(default=256, unit="px", doc="number of rows", check=positive)
