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
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.coarse_correction import Equations, bilinear_basis, correction, equations, moments
from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, over_modes, power
from ptycho_torch.physics.exit_wave_update import exit_wave_change, mean_slope, phase_ramp, photon_intensity
from ptycho_torch.physics.positions import PositionEquations, reach_px, whole_and_rest, within_reach
from ptycho_torch.physics.probe_components import Variation
from ptycho_torch.physics.probe_modes import orthogonal_modes
from ptycho_torch.physics.warp import displacement, move
from ptycho_torch.physics.windows import add, check_inside, read
from ptycho_torch.reconstruction.component_sums import ComponentSums
from ptycho_torch.reconstruction.count_sums import CountSums
from ptycho_torch.reconstruction.pass_sums import PassSums
from ptycho_torch.reconstruction.pattern_sample import noise_of
from ptycho_torch.reconstruction.position_steps import PositionSteps, positions_change
from ptycho_torch.reconstruction.refine_batches import Batches, UpdateBatch
from ptycho_torch.records import Refined, Scan

Progress = Callable[[int], object]

SMOOTHNESS = 0.1
NODES_PER_PATCH = 4
ILLUMINATED = 1e-3
SAMPLED_BATCHES = 4
PHOTON_SAMPLE = 64
MOMENTUM = 0.5
# A probe that fills its window, which a shift wraps around, may drift away from one that fits.
RISE = 1.5
# Where R, apart from noise, falls by less than this part in so many passes, more are not worth their time.
SETTLED, SETTLING_PASSES = 0.05, 4


def refine(
    scan: Scan,
    object_: Tensor,
    origin_yx: tuple[int, int],
    options: RefineOptions,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress = lambda _: None,
    held_back: Tensor | None = None,
    fewest: int | None = None,
) -> Refined:
    """An object_ `(H, W)` complex64 in network units after `options.planned` passes over all patterns; after `fewest`
    or more, where that is given, once they gain next to nothing.

    `origin_yx` is the scan pixel of its `[0, 0]`; every patch must lie on it. rng draws the order of the patterns;
    device computes; progress is called with the number of patterns of each finished batch. Only the valid pixels of
    the scan count, less what is held_back, as for `Batches`. Pixels without illumination keep their value; patterns of
    zeros change nothing. A refined probe keeps its power and its mean phase slope; the object takes the inverse of
    what is divided out, so that no pattern changes. Refined positions move by at most N/8 px in y and in x from where
    the scan has them, 3N/8 px where `options.unknown` names them, and are held there (`position_corrections` counts
    those). Their mean stays, unless some are held. The object grows by as much as patches leave it, from vacuum. Flux
    and background that `options.unknown` names are estimated from the second pass on; the scan has a first guess of
    the background. Where the scan has components of a probe that varies, these and their weights are improved. Raises
    ValueError where a patch leaves the object.
    """
    with torch.inference_mode():
        work = _RefinementState(scan, object_, origin_yx, options, rng, device, held_back)
        number, last = 0, options.planned
        while number < last:
            work.run_pass(
                together=number >= max(last - options.average, 1),
                probe_too=probe_changes(options) and number >= ALONE,
                positions_too=positions_change(options) and number >= ALONE,
                progress=progress,
            )
            if number < min(options.coarse, last - 1):
                work.correct_coarse()
            number += 1
            if fewest is not None and fewest <= number < last - options.average and work.settled():
                last = number + options.average
        return work.found()


def probe_changes(options: RefineOptions) -> bool:
    """Whether a refinement with these options improves the probe."""
    return options.refine_probe or bool({"probe", "modes"} & set(options.unknown))


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
        held_back: Tensor | None,
    ) -> None:
        self.rng, self.device, self.options = rng, device, options
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
        self.batches = Batches(scan, probe, origin, (height, width), rows, options.alpha, held_back)
        sample = scan.amplitude[order[:PHOTON_SAMPLE].sort().values]
        sample = sample if scan.valid_pixels is None else sample * scan.valid_pixels
        self.photon = photon_intensity(sample)
        self.noise = noise_of(sample, self.photon)
        self.norm = float(power(self.batches.probe).sum().sqrt())
        self.slope = mean_slope(self.batches.probe)
        self.velocity = torch.zeros_like(self.batches.probe)
        self.component_velocity: Variation | None = None
        self.best, self.probe_settled = (math.inf, self.batches.probe, self.object), False
        self.steps = PositionSteps(self.recorded_yx, unknown="positions" in options.unknown)
        self.history: list[float] = []

    def run_pass(self, *, together: bool, probe_too: bool, positions_too: bool, progress: Progress) -> None:
        """One pass over all patterns; their updates batch by batch, or all together at its end."""
        misfit = total = 0.0
        summed, illumination = torch.zeros_like(self.object), torch.zeros_like(self.object.real)
        sums = self._sums(probe=probe_too, positions=positions_too)
        for batch in self.batches.read(self.rng.permutation(len(self.batches.rows)).tolist()):
            patches = read(self.object, batch.corners, self.side)
            waves = exit_waves(patches, batch.probes)
            found = exit_wave_change(waves, batch.amplitude, self.photon, batch.valid, batch.background)
            sums.add(batch, found, patches)
            if together:
                add(summed, over_modes(found.change * batch.probes.conj()), batch.corners)
                add(illumination, mode_sum_intensity(batch.probes), batch.corners)
            else:
                add(self.object, over_modes(found.change.mul_(batch.steps)), batch.corners)
            misfit += found.misfit
            total += batch.energy
            progress(len(batch.rows))
        if together:
            floor = float(mode_sum_intensity(self.batches.probe).max())
            self.object += summed / illumination.clamp_min(floor)
        self._follow(sums, misfit / total)
        self.history.append(misfit / total)

    def settled(self) -> bool:
        """Whether R, apart from noise, hardly fell in the last passes."""
        if len(self.history) <= SETTLING_PASSES:
            return False
        before, now = (self.history[-1 - back] - self.noise for back in (SETTLING_PASSES, 0))
        return 0 < (1 - SETTLED) * before < now

    def _sums(self, *, probe: bool, positions: bool) -> PassSums:
        scan, components, counts = self.batches.scan, None, None
        if scan.components is not None and scan.weights is not None:
            components = ComponentSums(Variation(scan.components, scan.weights), self.component_velocity, self.device)
        if {"flux", "background"} & set(self.options.unknown) and self.history:
            counts = CountSums(scan, self.options, self.photon)
        return PassSums(
            self.batches, self.photon, probe=probe, positions=positions, components=components, counts=counts
        )

    def _follow(self, sums: PassSums, misfit: float) -> None:
        """Improve all but the object by the sums of a pass, whose R was `misfit`."""
        if sums.probe:
            self._follow_probe(misfit, sums.probe_step())
        if sums.components is not None:
            (components, weights), self.component_velocity = sums.components.next()
            scan = attrs.evolve(self.batches.scan, components=components.cpu(), weights=weights.cpu())
            self.batches = attrs.evolve(self.batches, scan=scan)
        if sums.places:
            self._update_positions(*sums.position_equations())
        if sums.counts is not None:
            self.batches = attrs.evolve(self.batches, scan=sums.counts.next(self.batches.scan))

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
        gauge = scale * phase_ramp(self.side, self.side, -drift)
        scan = self.batches.scan
        if scan.components is not None:
            scan = attrs.evolve(scan, components=scan.components * gauge.cpu())
        self.batches = attrs.evolve(self.batches, probe=probe * gauge, scan=scan)
        height, width = self.object.shape
        self.object = self.object / scale * phase_ramp(height, width, drift)

    def _update_positions(self, rows: Tensor, found: PositionEquations) -> None:
        """Move the patterns of the given rows by the solution of their equations."""
        scan = self.batches.scan
        position = scan.position_yx
        position[rows] += self.steps.next(rows, found)
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
        turned = "modes" in self.options.unknown and batches.scan.components is None
        probe = orthogonal_modes(batches.probe) if turned else batches.probe
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
            if batch.valid is not None:
                residual *= batch.valid
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
            if batch.valid is not None:
                lost *= batch.valid
            misfit += float(lost.square_().sum())
        return misfit
