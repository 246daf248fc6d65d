"""The steps of a preparation: each a config, a list of them a recipe."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from ptycho_config import Problem, config, field
from ptycho_config.schema.checks import at_least, between, non_negative, positive

Orientation = Literal[
    "x negated",
    "y negated",
    "x and y negated",
    "x and y exchanged",
    "x and y exchanged, then x negated",
    "x and y exchanged, then y negated",
    "x and y exchanged, then both negated",
]


@config
class Crop:
    """Cut patterns about their middle; pixels of the object become larger."""

    side_px: int = field(doc="side of a pattern afterwards", unit="px", check=at_least(16))


@config
class Pad:
    """Surround patterns by pixels that were not measured; pixels of the object become smaller."""

    side_px: int = field(doc="side of a pattern afterwards", unit="px", check=at_least(16))


@config
class Bin:
    """Add up pixels of the detector; patterns see less of the object, whose pixels stay."""

    factor: int = field(doc="pixels along each axis that become one", check=at_least(2))


def _both(step: "Centre") -> Iterator[Problem]:
    if (step.y_px is None) != (step.x_px is None):
        yield Problem("y_px", "and x_px go together", hint="give both, or none for the centre of mass")


@config(constraints=(_both,))
class Centre:
    """Move patterns by whole pixels until the beam is in their middle."""

    y_px: float | None = field(default=None, doc="row of the beam; null: that of the centre of mass", unit="px")
    x_px: float | None = field(default=None, doc="column of the beam; null: that of the centre of mass", unit="px")


def _some_turn(step: "Turn") -> Iterator[Problem]:
    if not (step.flip_y or step.flip_x or step.exchange):
        yield Problem("flip_x", "is false, as flip_y and exchange are", hint="set one of them")


@config(constraints=(_some_turn,))
class Turn:
    """Turn patterns about their middle as a detector may be mounted; first flips, then the exchange."""

    flip_y: bool = field(default=False, doc="exchange up and down")
    flip_x: bool = field(default=False, doc="exchange left and right")
    exchange: bool = field(default=False, doc="exchange rows and columns")


@config
class TurnPositions:
    """Turn positions as a stage may be mounted; `ptycho inspect` finds the orientation that fits."""

    KIND: ClassVar[str] = "turn_positions"

    to: Orientation = field(doc="orientation, as named by ptycho inspect")


@config
class Mask:
    """Leave out pixels of the detector."""

    path: Path = field(doc="an .npy array (N, N)")
    marks: Literal["bad", "valid"] = field(default="bad", doc="the pixels that are not 0 in it")


def _one_dark(step: "Dark") -> Iterator[Problem]:
    if (step.path is None) == (step.counts is None):
        yield Problem("path", "or counts is needed, and not both", hint="give an array, or one number")


@config(constraints=(_one_dark,))
class Dark:
    """Subtract what the detector shows without beam; less than nothing becomes 0."""

    path: Path | None = field(default=None, doc="an .npy array (N, N), or a stack (n, N, N) that is averaged")
    counts: float | None = field(default=None, doc="the same in every pixel", unit="counts", check=positive)


def _ranges(step: "Region") -> Iterator[Problem]:
    for name, (low, high) in (("y_px", step.y_px), ("x_px", step.x_px)):
        if low >= high:
            yield Problem(name, f"ends at {high}, before it starts at {low}", hint="give [low, high]")


@config(constraints=(_ranges,))
class Region:
    """Keep the patterns whose position lies in a rectangle."""

    y_px: tuple[float, float] = field(doc="rows of the object, from the first up to the second", unit="px")
    x_px: tuple[float, float] = field(doc="columns of the object, likewise", unit="px")


@config
class Select:
    """Keep patterns by their number."""

    start: int = field(default=0, doc="first one", check=non_negative)
    stop: int | None = field(default=None, doc="the one before which to stop; null: the end", check=positive)
    every: int = field(default=1, doc="keep one in so many", check=positive)


def _one_part(step: "Split") -> Iterator[Problem]:
    if step.part >= step.parts:
        yield Problem("part", f"of {step.parts} parts there is no number {step.part}", hint="parts are counted from 0")


@config(constraints=(_one_part,))
class Split:
    """Keep one of several parts of the scan, for trainings and tests on different patterns."""

    part: int = field(default=0, doc="the part to keep, counted from 0", check=non_negative)
    parts: int = field(default=2, doc="number of parts", check=at_least(2))
    by: Literal["turns", "order", "y", "x"] = field(
        default="turns", doc="patterns by turns, in their order, or areas of as many patterns along y or x"
    )


@config
class Shuffle:
    """Change the order of the patterns, and of their positions, by chance."""

    seed: int = field(default=0, doc="of the order", check=non_negative)


@config
class Beamline:
    """State the lengths in the laboratory, for a file without them or with wrong ones."""

    energy_ev: float = field(doc="of a photon", unit="eV", check=positive)
    distance_m: float = field(doc="from sample to detector", unit="m", check=positive)
    detector_pixel_m: float = field(doc="side of a pixel of the patterns as they are", unit="m", check=positive)


@config
class ProbeFile:
    """Attach the probe of another file, scaled to the counts."""

    KIND: ClassVar[str] = "probe"

    path: Path = field(doc="a scan, or an .npy array (N, N) or (modes, N, N)")


def _one_focus(step: "Optics") -> Iterator[Problem]:
    if (step.outer_zone_m is None) == (step.focal_m is None):
        yield Problem("outer_zone_m", "or focal_m is needed, and not both", hint="a zone plate has an outer_zone_m")
    if step.stop_m >= step.diameter_m:
        yield Problem("stop_m", f"covers the whole aperture of {step.diameter_m} m", hint="give less than diameter_m")


@config(constraints=(_one_focus,))
class Optics:
    """Build the probe of a zone plate, lens or mirrors, from a beamline that the file states."""

    diameter_m: float = field(doc="of the zone plate or aperture", unit="m", check=positive)
    outer_zone_m: float | None = field(default=None, doc="width of the outermost zone", unit="m", check=positive)
    focal_m: float | None = field(default=None, doc="focal length", unit="m", check=positive)
    stop_m: float = field(default=0.0, doc="diameter of the central stop", unit="m", check=non_negative)
    defocus_m: float = field(default=0.0, doc="from the focus to the sample, along the beam", unit="m")
    coherent: float = field(default=1.0, doc="share of the aperture that is coherent", check=between(0.05, 1))


OnPatterns = Crop | Pad | Bin | Centre | Turn | Mask | Dark
Step = OnPatterns | TurnPositions | Region | Select | Split | Shuffle | Beamline | ProbeFile | Optics


@config
class OneStep:
    """One step, as a command line states it."""

    step: Step = field(default=Shuffle(), doc="the step")


@config
class Preparation:
    """Steps in the order in which they are taken."""

    steps: tuple[Step, ...] = field(default=(), doc="steps in their order")
