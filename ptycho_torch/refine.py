"""Refine a stitched object against the measured patterns of a scan.

Passes of joint updates of random batches of patterns (ePIE-like: Maiden & Rodenburg,
Ultramicroscopy 109, 1256 (2009), regularised as in Maiden, Johnson & Li, Optica 4, 736 (2017)), and
between them corrections of the coarse structure, which such updates find last (`physics.coarse`),
and of the positions (`physics.positions`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_config.schema.refine import ALONE, RefineOptions
from ptycho_torch.physics.coarse import Equations, correction, equations, hats, moments
from ptycho_torch.physics.diffraction import (
    exit_waves,
    far_field,
    mode_sum_intensity,
    over_modes,
    power,
    shift_probe,
)
from ptycho_torch.physics.positions import (
    PositionEquations,
    position_equations,
    position_steps,
    reach_px,
    whole_and_rest,
    within_reach,
)
from ptycho_torch.physics.update import mean_slope, phase_ramp, photon_intensity, probe_change, wave_change
from ptycho_torch.physics.windows import Corners, add, check_inside, clear, read
from ptycho_torch.records import Scan

Progress = Callable[[int], object]

SMOOTHNESS = 0.1
NODES_PER_PATCH = 4
LIT = 1e-3
SAMPLED_BATCHES = 4
CACHE_BYTES = 512 * 2**20
PHOTON_SAMPLE = 64
MOMENTUM = 0.5
HELD_PX = 1e-5


@attrs.frozen(eq=False)
class Refined:
    """What the patterns made of an object, in the units of the scan.

    object `(H, W)` complex64 and `origin_yx`, the scan pixel of its `[0, 0]`; probe `(P, N, N)`
    complex64; positions as `centre_yx` `(n, 2)` int64 and `fraction_yx` `(n, 2)` float32; history: R of
    each pass, every pattern before its update.
    """

    object: Tensor
    origin_yx: tuple[int, int]
    probe: Tensor
    centre_yx: Tensor
    fraction_yx: Tensor
    history: tuple[float, ...]

    @property
    def position_yx(self) -> Tensor:
        """`(n, 2)` float64, in pixels of the scan."""
        return self.centre_yx + self.fraction_yx.double()


def refine(
    scan: Scan,
    object_: Tensor,
    origin_yx: tuple[int, int],
    options: RefineOptions,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress = lambda _: None,
    good: Tensor | None = None,
) -> Refined:
    """The object `(H, W)` complex64 in network units after `options.passes` passes over all patterns.

    `origin_yx` is the scan pixel of its `[0, 0]`; every patch must lie on it. `good` `(N, N)` bool in
    FFT order: pixels of the detector that measure. Pixels without illumination keep their value;
    patterns without light say nothing.
    A refined probe keeps its power and its mean phase slope; the object takes the inverse of what
    is divided out, so that no pattern changes.
    Refined positions move by at most N/8 px in y and in x from where the scan has them; one that
    asks for more is held there (`corrections` counts them). Their mean stays, unless some are held. The
    object grows by as much as patches leave it, from vacuum.
    `progress` is told the number of patterns of each finished batch. Raises ValueError where a patch
    leaves the object.
    """
    with torch.inference_mode():
        work = _Work(scan, object_, origin_yx, options, rng, device, good)
        for number in range(options.passes):
            together = number >= max(options.passes - options.average, 1)
            work.run_pass(
                together=together,
                probe_too=options.refine_probe and number >= ALONE,
                positions_too=options.refine_positions and number >= ALONE,
                progress=progress,
            )
            if number < min(options.coarse, options.passes - 1):
                work.correct_coarse()
        return work.found()


def corrections(scan: Scan, found: Refined) -> dict[str, float]:
    """How far positions were moved from where the scan has them: root mean square and maximum of the
    distance in px, and the number of those that are held at the farthest that is allowed."""
    moved = found.position_yx - (scan.centre_yx + scan.fraction_yx.double())
    distance = moved.norm(dim=1)
    held = (moved.abs() > reach_px(scan.probe.shape[-1]) - HELD_PX).any(1)
    return {
        "rms_px": round(float(distance.square().mean().sqrt()), 4),
        "max_px": round(float(distance.max()), 4),
        "held": int(held.sum()),
    }


class _Batch(NamedTuple):
    """Patterns that are updated together: rows of the scan, the corners of their patches on the
    canvas, amplitudes `(B, N, N)` and the sum of their squares, shifted probes and what turns a change
    of their waves into one of the object, both `(B, P, N, N)`."""

    rows: Tensor
    corners: Corners
    amplitude: Tensor
    probes: Tensor
    steps: Tensor
    energy: float


class _Work:
    """The state of a refinement."""

    def __init__(
        self,
        scan: Scan,
        object_: Tensor,
        origin_yx: tuple[int, int],
        options: RefineOptions,
        rng: np.random.Generator,
        device: torch.device,
        good: Tensor | None,
    ) -> None:
        self.scan, self.options, self.rng, self.device = scan, options, rng, device
        self.good = None if good is None else good.to(device)
        self.object = object_.to(device, torch.complex64, copy=True)
        self.probe = scan.probe.to(device, copy=True)
        self.norm = float(power(self.probe).sum().sqrt())
        self.side = scan.probe.shape[-1]
        self.corner_yx = scan.centre_yx - self.side // 2 - torch.tensor(origin_yx)
        check_inside(self.corner_yx, self.side, self.object.shape)
        self.recorded_yx = scan.centre_yx + scan.fraction_yx.double()
        self.origin_yx, self.shape = origin_yx, self.object.shape
        self.margin = reach_px(self.side) + 1 if options.refine_positions else 0
        if self.margin:
            self.object = torch.nn.functional.pad(self.object, [self.margin] * 4, value=1.0)
            self.corner_yx += self.margin
        count = len(self.corner_yx)
        order = torch.from_numpy(rng.permutation(count))
        batches = -(-count // options.batch)
        self.rows = [order[number::batches] for number in range(batches)]
        self.photon = photon_intensity(scan.amplitude[order[:PHOTON_SAMPLE].sort().values])
        self.slope = mean_slope(self.probe)
        self.velocity = torch.zeros_like(self.probe)
        self.history: list[float] = []
        self.window = torch.zeros_like(self.object.real)
        per_pattern = self.side**2 * (16 * len(self.probe) + 4)
        self.kept: list[_Batch | None] | None = [] if count * per_pattern <= CACHE_BYTES else None

    def _batch(self, number: int) -> _Batch | None:
        """Batch `number`, from memory where all fit."""
        if self.kept is None:
            return self._made(self.rows[number])
        if not self.kept:
            self.kept = [self._made(rows) for rows in self.rows]
        return self.kept[number]

    def _made(self, rows: Tensor) -> _Batch | None:
        """The batch without its dark patterns, None where that leaves nothing."""
        amplitude = self.scan.amplitude[rows].to(self.device)
        seen = amplitude.amax((-2, -1)) > 0
        if not bool(seen.all()):
            amplitude, rows = amplitude[seen], rows[seen.cpu()]
        if len(rows) == 0:
            return None
        probes = shift_probe(self.probe, self.scan.fraction_yx[rows].to(self.device))
        corners: Corners = self.corner_yx[rows].tolist()
        light = mode_sum_intensity(probes)
        add(self.window, light, corners)
        lit = read(self.window, corners, self.side)
        clear(self.window, corners, self.side)
        alpha = self.options.alpha
        floor = (1 - alpha) * float(light.max()) + alpha * lit
        steps = probes.conj() / torch.maximum(lit, floor).unsqueeze(1)
        return _Batch(rows, corners, amplitude, probes, steps, float(amplitude.square().sum()))

    def _batches(self) -> Iterator[_Batch]:
        """All batches in a random order."""
        yield from self._lit(self.rng.permutation(len(self.rows)).tolist())

    def _lit(self, numbers: Iterable[int]) -> Iterator[_Batch]:
        for number in numbers:
            batch = self._batch(number)
            if batch is not None:
                yield batch

    def run_pass(self, *, together: bool, probe_too: bool, positions_too: bool, progress: Progress) -> None:
        """One pass over all patterns; their updates batch by batch, or all together at its end."""
        misfit = total = 0.0
        summed, light = torch.zeros_like(self.object), torch.zeros_like(self.object.real)
        probe_sum, object_light = torch.zeros_like(self.probe), torch.zeros_like(self.probe[0].real)
        places: list[tuple[Tensor, PositionEquations]] = []
        for batch in self._batches():
            patches = read(self.object, batch.corners, self.side)
            change, lost = wave_change(
                exit_waves(patches, batch.probes), batch.amplitude, self.photon, self.good
            )
            if probe_too:
                fraction = self.scan.fraction_yx[batch.rows].to(self.device)
                back, seen = probe_change(change, patches, fraction)
                probe_sum += back
                object_light += seen
            if positions_too:
                asked = position_equations(change, patches, batch.probes, self.photon, self.good)
                places.append((batch.rows, asked))
            if together:
                add(summed, over_modes(change * batch.probes.conj()), batch.corners)
                add(light, mode_sum_intensity(batch.probes), batch.corners)
            else:
                add(self.object, over_modes(change.mul_(batch.steps)), batch.corners)
            misfit += lost
            total += batch.energy
            progress(len(batch.rows))
        if together:
            floor = float(mode_sum_intensity(self.probe).max())
            self.object += summed / light.clamp_min(floor)
        if probe_too:
            self._follow(probe_sum / object_light.clamp_min(float(object_light.max()) / 10))
        if places:
            self._move(places)
        self.history.append(misfit / total)

    def _follow(self, change: Tensor) -> None:
        """Change the probe, with momentum, and keep its power and mean slope."""
        self.velocity = MOMENTUM * self.velocity + change
        probe = self.probe + self.velocity
        scale = self.norm / float(power(probe).sum().sqrt())
        drift = mean_slope(probe) - self.slope
        self.probe = probe * scale * phase_ramp(self.side, self.side, -drift)
        height, width = self.object.shape
        self.object = self.object / scale * phase_ramp(height, width, drift)
        if self.kept is not None:
            self.kept = []

    def _move(self, places: list[tuple[Tensor, PositionEquations]]) -> None:
        """Move the patterns of the given rows to where their equations ask for."""
        rows = torch.cat([batch for batch, _ in places])
        curvature, pull = (
            torch.cat(parts).cpu() for parts in zip(*(asked for _, asked in places), strict=True)
        )
        position = self.scan.centre_yx + self.scan.fraction_yx.double()
        position[rows] += position_steps(PositionEquations(curvature, pull))
        centre, fraction = whole_and_rest(within_reach(position, self.recorded_yx, reach_px(self.side)))
        self.corner_yx += centre - self.scan.centre_yx
        self.scan = attrs.evolve(self.scan, centre_yx=centre, fraction_yx=fraction)
        if self.kept is not None:
            self.kept = []

    def found(self) -> Refined:
        """The present state, on the smallest canvas that holds the object given and all patches."""
        margin = torch.tensor([self.margin, self.margin])
        low = torch.minimum(margin, self.corner_yx.amin(0))
        high = torch.maximum(margin + torch.tensor(self.shape), self.corner_yx.amax(0) + self.side)
        (top, left), (bottom, right) = low.tolist(), high.tolist()
        y, x = (torch.tensor(self.origin_yx) + low - margin).tolist()
        return Refined(
            self.object[top:bottom, left:right].cpu().clone(),
            (y, x),
            self.probe.cpu().clone(),
            self.scan.centre_yx,
            self.scan.fraction_yx,
            tuple(self.history),
        )

    def correct_coarse(self) -> bool:
        """Multiply the lit object by the smooth factor that the moments of all patterns ask for.

        Whether it was kept: it must lower the misfit of a sample of the patterns. A model that is
        wrong elsewhere (probe, positions, background) moves the moments too.
        """
        basis = hats(self.side, max(1, self.side // NODES_PER_PATCH), self.device)
        light = torch.zeros_like(self.object.real)
        parts: list[Equations] = []
        for batch in self._lit(range(len(self.rows))):
            add(light, mode_sum_intensity(batch.probes), batch.corners)
            waves = self._waves(batch)
            residual = batch.amplitude.square() - mode_sum_intensity(far_field(waves))
            if self.good is not None:
                residual *= self.good
            corner = torch.tensor(batch.corners, device=self.device)
            parts.append(equations(waves, moments(residual), corner, basis))
        height, width = self.object.shape
        factor = correction(Equations.joined(parts), height, width, basis, SMOOTHNESS)
        before, misfit = self.object, self._sampled_misfit()
        self.object = torch.where(light > LIT * light.max(), before * factor, before)
        kept = self._sampled_misfit() < misfit
        if not kept:
            self.object = before
        return kept

    def _waves(self, batch: _Batch) -> Tensor:
        return exit_waves(read(self.object, batch.corners, self.side), batch.probes)

    def _sampled_misfit(self) -> float:
        misfit = 0.0
        for batch in self._lit(range(0, len(self.rows), SAMPLED_BATCHES)):
            lost = mode_sum_intensity(far_field(self._waves(batch))).sqrt_().sub_(batch.amplitude)
            if self.good is not None:
                lost *= self.good
            misfit += float(lost.square_().sum())
        return misfit
