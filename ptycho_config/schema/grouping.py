"""Which patterns form a group."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field, suggested
from ptycho_config.schema.checks import fractions, non_negative, positive


@config
class Nearest:
    """Members are drawn from the `neighbor_count` nearest patterns."""


def _interval(rule: "MinDistance | FourQuadrant") -> Iterator[Problem]:
    if rule.min_neighbor_distance >= rule.max_neighbor_distance:
        yield Problem(
            "min_neighbor_distance",
            f"{rule.min_neighbor_distance} px is not below max_neighbor_distance, {rule.max_neighbor_distance} px",
        )


@config(constraints=(_interval,))
class MinDistance:
    """As nearest, of those whose distance lies in an interval."""

    KIND: ClassVar[str] = "min_dist"

    min_neighbor_distance: float = field(
        default=0.0, unit="px", check=non_negative, doc="smallest distance of a neighbour"
    )
    max_neighbor_distance: float = field(default=3.0, unit="px", check=positive, doc="largest distance of a neighbour")


@config(constraints=(_interval,))
class FourQuadrant:
    """One member from each quadrant around the centre; gridsize 2 only."""

    KIND: ClassVar[str] = "4_quadrant"

    K_quadrant: int = field(
        default=30, unit="patterns", check=positive, doc="nearest patterns that are sorted into quadrants"
    )
    scan_pattern: Literal["Isotropic", "Rectangular"] = field(default="Isotropic", doc="how the quadrants are bounded")
    min_neighbor_distance: float = field(
        default=0.0, unit="px", check=non_negative, doc="smallest distance of a neighbour"
    )
    max_neighbor_distance: float = field(default=3.0, unit="px", check=positive, doc="largest distance of a neighbour")


NeighbourRule = Nearest | MinDistance | FourQuadrant


@config
class GroupingOptions:
    """How neighbours are chosen, and from which part of the scan."""

    neighbors: NeighbourRule = suggested(default=Nearest(), doc="rule that chooses the neighbours")
    groups_per_centre: int = field(default=1, unit="groups", check=positive, doc="random groups around each pattern")
    x_bounds: tuple[float, float] = field(
        default=(0.0, 1.0), check=fractions, doc="part of the scan's width that centres come from"
    )
    y_bounds: tuple[float, float] = field(
        default=(0.0, 1.0), check=fractions, doc="part of the scan's height that centres come from"
    )
