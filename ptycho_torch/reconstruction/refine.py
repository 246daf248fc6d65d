"""Refine a stitched object against the measured patterns of a scan.

Passes of joint updates of random batches of patterns (ePIE-like: Maiden & Rodenburg, Ultramicroscopy 109, 1256 (2009),
regularised as in Maiden, Johnson & Li, Optica 4, 736 (2017)), and between them corrections of the coarse structure,
which such updates find last (`physics.coarse_correction`), and of the positions (`physics.positions`).
"""

import math
from collections.abc import Callable

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import ALONE
from ptycho_torch.output.choice_records import PositionCorrections
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.coarse_correction import Equations, bilinear_basis, correction, equations, moments
from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, over_modes, power
from ptycho_torch.physics.exit_wave_update import (
    exit_wave_change,
    mean_slope,
    phase_ramp,
    photon_intensity,
    probe_change,
)
from ptycho_torch.physics.positions import PositionEquations, position_equations, reach_px, whole_and_rest, within_reach
from ptycho_torch.physics.probe_modes import orthogonal_modes
from ptycho_torch.physics.warp import displacement, move
from ptycho_torch.physics.windows import add, check_inside, read
from ptycho_torch.reconstruction.count_sums import CountSums
from ptycho_torch.reconstruction.position_steps import PositionSteps
from ptycho_torch.reconstruction.refine_batches import Batches, UpdateBatch
from ptycho_torch.records import Refined, Scan

Progress = Callable[[int], object]

SMOOTHNESS = 0.1
NODES_PER_PATCH = 4
ILLUMINATED = 1e-3
SAMPLED_BATCHES = 4
PHOTON_SAMPLE = 64
MOMENTUM = 0.5
HELD_PX = 1e-5
# A probe that fills its window, which a shift wraps around, may drift away from one that fits.
RISE = 1.5


def refine(
    scan: Scan,
    object_: Tensor,
    origin_yx: tuple[int, int],
    options: RefineOptions,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress = lambda _: None,
) -> Refined:
    """An object_ `(H, W)` complex64 in network units after `options.planned` passes over all patterns.

    `origin_yx` is the scan pixel of its `[0, 0]`; every patch must lie on it. rng draws the order of the patterns;
    device computes; progress is called with the number of patterns of each finished batch. Only the valid pixels of the
    scan count. Pixels without illumination keep their value; patterns of zeros change nothing. A refined probe keeps
    its power and its mean phase slope; the object takes the inverse of what is divided out, so that no pattern changes.
    Refined positions move by at most N/8 px in y and in x from where the scan has them, 3N/8 px where `options.unknown`
    names them, and are held there (`position_corrections` counts those). Their mean stays, unless some are held. The
    object grows by as much as patches leave it, from vacuum. Flux and background that `options.unknown` names are
    estimated from the second pass on; the scan has a first guess of the background. Raises ValueError where a patch
    leaves the object.
    """
    with torch.inference_mode():
        work = _RefinementState(scan, object_, origin_yx, options, rng, device)
        for number in range(options.planned):
            together = number >= max(options.planned - options.average, 1)
            work.run_pass(
                together=together,
                probe_too=probe_changes(options) and number >= ALONE,
                positions_too=positions_change(options) and number >= ALONE,
                progress=progress,
            )
            if number < min(options.coarse, options.planned - 1):
                work.correct_coarse()
        return work.found()


def probe_changes(options: RefineOptions) -> bool:
    """Whether a refinement with these options improves the probe."""
    return options.refine_probe or bool({"probe", "modes"} & set(options.unknown))


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


class _RefinementState:
    """The state of a refinement: an object on its canvas, and the probe and positions of its batches."""

    def __init__(
        self,
        scan: Scan,
        object_: Tensor,
        origin_yx: tuple[int, int],
        options: RefineOptions,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.rng, self.device, self.options = rng, device, options
        self.valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
        self.side = scan.probe.shape[-1]
        corner = patch_corners(scan.centre_yx, self.side, torch.tensor(origin_yx))
        check_inside(corner, self.side, object_.shape)
        self.recorded_yx = scan.position_yx
        self.margin, self.given = 0, object_.shape
        self.object = object_.to(device, torch.complex64, copy=True)
        self.reach = reach_px(self.side, unknown="positions" in options.unknown)
        if positions_change(options):
            self.margin = self.reach + 1
            self.object = torch.nn.functional.pad(self.object, [self.margin] * 4, value=1.0)
        count = len(corner)
        order = torch.from_numpy(rng.permutation(count))
        number = -(-count // options.batch)
        height, width = self.object.shape
        rows = tuple(order[first::number] for first in range(number))
        probe, origin = scan.probe.to(device, copy=True), torch.tensor(origin_yx) - self.margin
        self.batches = Batches(scan, probe, origin, (height, width), rows, options.alpha)
        sample = scan.amplitude[order[:PHOTON_SAMPLE].sort().values]
        self.photon = photon_intensity(sample if scan.valid_pixels is None else sample * scan.valid_pixels)
        self.norm = float(power(self.batches.probe).sum().sqrt())
        self.slope = mean_slope(self.batches.probe)
        self.velocity = torch.zeros_like(self.batches.probe)
        self.best, self.probe_settled = (math.inf, self.batches.probe, self.object), False
        self.steps = PositionSteps(self.recorded_yx, unknown="positions" in options.unknown)
        self.history: list[float] = []

    def run_pass(self, *, together: bool, probe_too: bool, positions_too: bool, progress: Progress) -> None:
        """One pass over all patterns; their updates batch by batch, or all together at its end."""
        misfit = total = 0.0
        summed, illumination = torch.zeros_like(self.object), torch.zeros_like(self.object.real)
        probe_sum, probe_weight = torch.zeros_like(self.velocity), torch.zeros_like(self.velocity[0].real)
        places: list[tuple[Tensor, PositionEquations]] = []
        counts = CountSums(self.batches.scan, self.options, self.photon) if self._counts_too() else None
        for batch in self.batches.read(self.rng.permutation(len(self.batches.rows)).tolist()):
            patches = read(self.object, batch.corners, self.side)
            waves = exit_waves(patches, batch.probes)
            change, lost, expected = exit_wave_change(
                waves, batch.amplitude, self.photon, self.valid_pixels, batch.background
            )
            if counts is not None:
                counts.add(batch, expected, self.valid_pixels)
            if probe_too:
                fraction = self.batches.scan.fraction_yx[batch.rows].to(self.device)
                back, seen = probe_change(change, patches, fraction)
                probe_sum += back
                probe_weight += seen
            if positions_too:
                system = position_equations(
                    change, patches, batch.probes, self.photon, self.valid_pixels, batch.background
                )
                places.append((batch.rows, system))
            if together:
                add(summed, over_modes(change * batch.probes.conj()), batch.corners)
                add(illumination, mode_sum_intensity(batch.probes), batch.corners)
            else:
                add(self.object, over_modes(change.mul_(batch.steps)), batch.corners)
            misfit += lost
            total += batch.energy
            progress(len(batch.rows))
        if together:
            floor = float(mode_sum_intensity(self.batches.probe).max())
            self.object += summed / illumination.clamp_min(floor)
        if probe_too:
            self._follow_probe(misfit / total, probe_sum / probe_weight.clamp_min(float(probe_weight.max()) / 10))
        if places:
            self._update_positions(places)
        if counts is not None:
            self.batches = attrs.evolve(self.batches, scan=counts.next(self.batches.scan))
        self.history.append(misfit / total)

    def _counts_too(self) -> bool:
        return bool({"flux", "background"} & set(self.options.unknown)) and bool(self.history)

    def _follow_probe(self, misfit: float, change: Tensor) -> None:
        """Update the probe until the misfit rises; then go back to the best pass, and leave the probe as it was."""
        if self.probe_settled:
            return
        if misfit < self.best[0]:
            self.best = misfit, self.batches.probe, self.object.clone()
        if misfit < RISE * self.best[0]:
            self._update_probe(change)
        else:
            self.probe_settled = True
            self.object = self.best[2]
            self.batches = attrs.evolve(self.batches, probe=self.best[1])

    def _update_probe(self, change: Tensor) -> None:
        """Change the probe, with momentum, and keep its power and mean slope."""
        self.velocity = MOMENTUM * self.velocity + change
        probe = self.batches.probe + self.velocity
        scale = self.norm / float(power(probe).sum().sqrt())
        drift = mean_slope(probe) - self.slope
        probe = probe * scale * phase_ramp(self.side, self.side, -drift)
        self.batches = attrs.evolve(self.batches, probe=probe)
        height, width = self.object.shape
        self.object = self.object / scale * phase_ramp(height, width, drift)

    def _update_positions(self, places: list[tuple[Tensor, PositionEquations]]) -> None:
        """Move the patterns of the given rows by the solution of their equations."""
        rows = torch.cat([batch for batch, _ in places])
        curvature, pull = (torch.cat(parts).cpu() for parts in zip(*(system for _, system in places), strict=True))
        scan = self.batches.scan
        position = scan.position_yx
        position[rows] += self.steps.next(rows, PositionEquations(curvature, pull))
        centre, fraction = whole_and_rest(within_reach(position, self.recorded_yx, self.reach))
        moved = attrs.evolve(scan, centre_yx=centre, fraction_yx=fraction)
        if self.steps.together:
            corners, intensity = self.batches.corner_yx.tolist(), mode_sum_intensity(self.batches.probe)
            field = displacement(moved.position_yx - scan.position_yx, corners, intensity, self.batches.shape)
            self.object = move(self.object, field)
        self.batches = attrs.evolve(self.batches, scan=moved)

    def found(self) -> Refined:
        """The present state, on the smallest canvas that holds the object given and all patches."""
        batches, margin = self.batches, torch.tensor([self.margin, self.margin])
        low = torch.minimum(margin, batches.corner_yx.amin(0))
        high = torch.maximum(margin + torch.tensor(self.given), batches.corner_yx.amax(0) + self.side)
        (top, left), (bottom, right) = low.tolist(), high.tolist()
        y, x = (batches.origin_yx + low).tolist()
        probe = orthogonal_modes(batches.probe) if "modes" in self.options.unknown else batches.probe
        scan = attrs.evolve(batches.scan, probe=probe.cpu().clone())
        return Refined(self.object[top:bottom, left:right].cpu().clone(), (y, x), scan, tuple(self.history))

    def correct_coarse(self) -> bool:
        """Multiply the illuminated object by the smooth factor that explains the moments of all patterns.

        Whether it was kept: it must lower the misfit of a sample of the patterns. A model that is
        wrong elsewhere (probe, positions, background) moves the moments too.
        """
        basis = bilinear_basis(self.side, max(1, self.side // NODES_PER_PATCH), self.device)
        illumination = torch.zeros_like(self.object.real)
        parts: list[Equations] = []
        for batch in self.batches.read(range(len(self.batches.rows))):
            add(illumination, mode_sum_intensity(batch.probes), batch.corners)
            waves = self._waves(batch)
            residual = batch.amplitude.square() - mode_sum_intensity(far_field(waves))
            if batch.background is not None:
                residual -= batch.background
            if self.valid_pixels is not None:
                residual *= self.valid_pixels
            corner = torch.tensor(batch.corners, device=self.device)
            parts.append(equations(waves, moments(residual), corner, basis))
        height, width = self.object.shape
        factor = correction(Equations.joined(parts), height, width, basis, SMOOTHNESS)
        before, misfit = self.object, self._sampled_misfit()
        self.object = torch.where(illumination > ILLUMINATED * illumination.max(), before * factor, before)
        kept = self._sampled_misfit() < misfit
        if not kept:
            self.object = before
        return kept

    def _waves(self, batch: UpdateBatch) -> Tensor:
        return exit_waves(read(self.object, batch.corners, self.side), batch.probes)

    def _sampled_misfit(self) -> float:
        misfit = 0.0
        for batch in self.batches.read(range(0, len(self.batches.rows), SAMPLED_BATCHES)):
            modelled = mode_sum_intensity(far_field(self._waves(batch)))
            if batch.background is not None:
                modelled += batch.background
            lost = modelled.sqrt_().sub_(batch.amplitude)
            if self.valid_pixels is not None:
                lost *= self.valid_pixels
            misfit += float(lost.square_().sum())
        return misfit
