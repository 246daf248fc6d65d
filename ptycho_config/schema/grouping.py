"""Which patterns form a group."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import fractions, non_negative, positive
from ptycho_config.schema.fields import option, suggested


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

    min_neighbor_distance: float = option(0.0, "smallest distance of a neighbour", unit="px", check=non_negative)
    max_neighbor_distance: float = option(3.0, "largest distance of a neighbour", unit="px", check=positive)


@config(constraints=(_interval,))
class FourQuadrant:
    """One member from each quadrant around the centre; gridsize 2 only."""

    KIND: ClassVar[str] = "4_quadrant"

    K_quadrant: int = option(30, "nearest patterns that are sorted into quadrants", unit="patterns", check=positive)
    scan_pattern: Literal["Isotropic", "Rectangular"] = option("Isotropic", "how the quadrants are bounded")
    min_neighbor_distance: float = option(0.0, "smallest distance of a neighbour", unit="px", check=non_negative)
    max_neighbor_distance: float = option(3.0, "largest distance of a neighbour", unit="px", check=positive)


NeighbourRule = Nearest | MinDistance | FourQuadrant


@config
class GroupingOptions:
    """The choice of neighbours, and the part of the scan that is used."""

    neighbors: NeighbourRule = suggested(Nearest(), "rule that chooses the neighbours")
    groups_per_centre: int = option(1, "random groups around each pattern", unit="groups", check=positive)
    x_bounds: tuple[float, float] = option((0.0, 1.0), "part of the scan's width where centres lie", check=fractions)
    y_bounds: tuple[float, float] = option((0.0, 1.0), "part of the scan's height where centres lie", check=fractions)
