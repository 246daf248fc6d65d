"""The steps of the positions in a refinement: of all together first, then of each."""

import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions
from ptycho_torch.output.choice_records import PositionCorrections
from ptycho_torch.physics.positions import PositionEquations, global_basis, global_parameters, position_steps, reach_px
from ptycho_torch.records import Refined, Scan

# The object follows positions that are wrong together, so that a step of them gains little and the next is alike.
MOMENTUM = 0.8
LONGEST_PX = 2.0
# Steps of all positions together before each has its own.
TOGETHER = 4
HELD_PX = 1e-5
# A model of the whole scan needs more patterns than it has parameters.
FEWEST = 30


class PositionSteps:
    """Steps from the equations of each pass; recorded_yx `(n, 2)` px in the order of measurement; unknown: errors of
    the whole scan are expected, as by a wrong scale, a rotation or a drift."""

    def __init__(self, recorded_yx: Tensor, *, unknown: bool) -> None:
        self.basis = global_basis(recorded_yx) if unknown and len(recorded_yx) >= FEWEST else None
        self.velocity = torch.zeros(0 if self.basis is None else self.basis.shape[1], 2, dtype=torch.float64)
        self.number = 0

    @property
    def together(self) -> bool:
        """Whether all positions move together too, which the object has to follow."""
        return self.basis is not None

    def next(self, rows: Tensor, found: PositionEquations) -> Tensor:
        """The steps `(B, 2)` float64 of these rows in px, from their equations; their mean is 0."""
        self.number += 1
        if self.basis is None:
            return position_steps(found)
        basis = self.basis[rows]
        change = global_parameters(found, basis)
        self.velocity = MOMENTUM * self.velocity + change
        step = basis @ self.velocity
        factor = min(1.0, LONGEST_PX / float(step.norm(dim=1).max().clamp_min(1e-9)))
        self.velocity *= factor
        step = step * factor
        if self.number > TOGETHER:
            curvature, pull = (values.double() for values in found)
            left = pull - (curvature @ (basis @ change)[..., None])[..., 0]
            step = step + position_steps(PositionEquations(curvature, left))
        return step - step.mean(0)


def positions_change(options: RefineOptions) -> bool:
    """Whether a refinement with these options corrects the positions."""
    return options.refine_positions or "positions" in options.unknown


def position_corrections(scan: Scan, found: Refined, options: RefineOptions) -> PositionCorrections:
    """The distances by which a refinement with these options, `found`, moved positions from where `scan` has them."""
    moved = found.scan.position_yx - scan.position_yx
    distance = moved.norm(dim=1)
    reach = reach_px(scan.probe.shape[-1], unknown="positions" in options.unknown)
    held = (moved.abs() > reach - HELD_PX).any(1)
    rms, largest = (round(float(value), 4) for value in (distance.square().mean().sqrt(), distance.max()))
    return PositionCorrections(rms_px=rms, max_px=largest, held=int(held.sum()))
