"""Steps of a probe up the likelihood of the counts, taken with those of the object."""

import math

import torch
from torch import Tensor

from ptycho_torch.physics.exit_wave_update import mean_slope, phase_ramp, probe_change
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.reconstruction.refine_batches import UpdateBatch
from ptycho_torch.records import Scan

# Steps of object and probe in one pass add up: this is half of the step of the object.
STEP, MOST_MOMENTUM = 0.15, 0.5
# Where R rises to so many times that of the best pass, the probe runs away.
RISE = 1.5


class ProbeSteps:
    """A probe `(P, N, N)` of a scan that keeps its power and its mean phase slope while it moves.

    It stays where the scan has components of a probe that varies, which belong to it as it is. Where R rises clearly it
    goes back to the pass in which the counts were likeliest, and stays.
    """

    def __init__(self, scan: Scan, probe: Tensor, *, moving: bool) -> None:
        self.scan, self.probe, self.moving = scan, probe, moving and scan.components is None
        self.norm, self.slope = torch.linalg.vector_norm(probe), mean_slope(probe)
        self.before = self.ahead = self.compared = probe
        self.least, self.misfit, self.best = math.inf, math.inf, (probe, probe)
        self.change, self.seen = torch.zeros_like(probe), torch.zeros_like(probe[0].real)

    def extrapolate(self, momentum: float) -> None:
        """Move on by so much of the last step, and begin a new sum."""
        self.ahead = self.probe + min(momentum, MOST_MOMENTUM) * (self.probe - self.before)
        self.change, self.seen = torch.zeros_like(self.change), torch.zeros_like(self.seen)

    def of_patterns(self, batch: UpdateBatch) -> Tensor:
        """The probe of each pattern of a batch, `(B, P, N, N)`."""
        return frame_probes(self.scan, batch.rows, self.ahead) if self.moving else batch.probes

    def add(self, ascent: Tensor, patches: Tensor, rows: Tensor) -> None:
        """Add the gradient of patterns `rows`: ascent `(B, P, N, N)` of their waves, patches `(B, N, N)`."""
        change, seen = probe_change(ascent, patches, self.scan.fraction_yx[rows].to(patches.device))
        self.change, self.seen = self.change + change, self.seen + seen

    def follow(self, object_: Tensor, misfit: float, unlikely: float) -> Tensor | None:
        """Take the step of a pass, which began with object_; misfit: its R; unlikely: its negative log-likelihood.

        Where that rose, the object of the best pass, to go back to, else None.
        """
        if misfit > RISE * self.misfit:
            (object_, self.probe), self.moving = self.best, False
            return object_
        if unlikely < self.least:
            self.least, self.misfit, self.best = unlikely, misfit, (object_, self.probe)
        probe = self.ahead + STEP / float(self.seen.max()) * self.change
        probe *= self.norm / torch.linalg.vector_norm(probe)
        side = probe.shape[-1]
        self.before, self.probe = self.probe, probe * phase_ramp(side, side, self.slope - mean_slope(probe))
        return None

    def movement(self, photon: float) -> float:
        """The rms of the change of the probe since the last call, in units of the noise of a step; photon:
        intensity of one."""
        if not self.moving:
            return 0.0
        noise = math.sqrt(STEP * photon / float(self.seen.max()))
        change, self.compared = self.probe - self.compared, self.probe
        return float(change.abs().square().mean().sqrt()) / noise
