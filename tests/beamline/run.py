"""A run of the beamline: everything that a config of one's own can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import ClassVar

from ptycho_config import Problem, config, field
from ptycho_config.schema.checks import positive
from tests.beamline import detectors


class Mode(Enum):
    """The way in which the sample moves."""

    STEP = "step"
    FLY = "fly"


@config
class Options:
    """A detector that integrates charge; another `Options` counts, so the kinds differ."""

    KIND: ClassVar[str] = "integrating"

    gain: float = field(default=1.0, doc="electrons per unit", check=positive)


def _dark_first(scan: Scan) -> Iterator[Problem]:
    if scan.darks and scan.darks[0].parent == scan.folder:
        yield Problem("darks", "lie among the scans", hint="move them to a folder of their own")


@config(constraints=(_dark_first,))
class Scan:
    """What any scan has."""

    folder: Path = field(default=Path("data"), identity=False, doc="folder of the files")
    darks: tuple[Path, ...] = field(default=(), doc="files without beam")
    modes: tuple[Mode, ...] = field(default=(Mode.STEP,), doc="movements, in their order")


@config
class Tomography(Scan):
    """A scan with angles: fields, constraints and checks of `Scan`, and its own."""

    angles: int = field(default=180, doc="number of projections", check=positive)

    def __attrs_post_init__(self) -> None:
        if self.angles > 10 and Mode.FLY not in self.modes:
            raise ValueError("more than 10 angles take too long step by step; add the mode fly")


@config
class Stage:
    """A part of the processing."""

    name: str = field(doc="of the stage")
    steps: int = field(default=1, doc="how often it runs", check=positive)


@config
class Run:
    """A run."""

    SCHEMA: ClassVar[str] = "beamline.run/1"

    kind: str = field(default="test", doc="purpose")
    scan: Scan | Tomography = field(default=Scan(), doc="measurement")
    detector: detectors.Options | Options = field(default=Options(), doc="detector and its settings")
    window: detectors.Window | None = field(default=None, doc="part of the detector that is read, null for all")
    limits: Limits | None = field(default=None, doc="limits of the motors, null for those of the machine")
    stages: tuple[Stage, ...] = field(default=(Stage(name="align"),), doc="processing, in its order")
    weights: Mapping[str, float] = field(default={"mae": 1.0}, doc="weight of each loss by name")


@config
class Limits:
    """Limits of the motors; a class that `Run` names before it is there."""

    low: float = field(default=-1.0, unit="mm", doc="lowest position")
    fine: Fine | None = field(default=None, doc="limits of the piezo, null without one")


@config
class Fine:
    """Limits of a piezo."""

    high: float = field(default=0.1, unit="mm", doc="highest position")
