"""Joint updates of an object and a probe that is not known.

From a wrong probe the probe must move faster than the object: an object that follows the patterns at once freezes into
a speckle that explains the wrong probe, and nothing moves any more. With heavy momentum the probe averages over batches
of patterns that differ, and the object appears as the probe becomes right.
"""

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, over_modes, power, shift_probe
from ptycho_torch.physics.exit_wave_update import exit_wave_change, probe_change
from ptycho_torch.physics.windows import add, read
from ptycho_torch.reconstruction.pattern_sample import PatternSample

_TINY = torch.finfo(torch.float32).tiny


@attrs.frozen
class JointSteps:
    """Factors of the steps: object, in units of the largest illumination, or of the local one by the weight `local`;
    probe, in units of the largest object power, with momentum; batch: patterns that are updated together."""

    object: float
    probe: float
    momentum: float
    local: float = 0.0
    batch: int = 32


START = JointSteps(object=0.05, probe=1.0, momentum=0.9)
RETRIEVAL = JointSteps(object=0.3, probe=1.0, momentum=0.9)
KNOWN_PROBE = JointSteps(object=1.0, probe=0.0, momentum=0.0, local=0.5)


class JointUpdates:
    """An object, flat at first, and a probe `(P, N, N)` that keeps its power, fitted to a sample of patterns."""

    def __init__(self, sample: PatternSample, probe: Tensor, rng: np.random.Generator) -> None:
        self.sample, self.rng = sample, rng
        device = sample.amplitude.device
        self.probe = probe.to(device, copy=True)
        self.object = torch.ones(*sample.shape, dtype=torch.complex64, device=device)
        self.norm = float(torch.linalg.vector_norm(probe))
        self.velocity = torch.zeros_like(self.probe)

    def run(self, passes: int, steps: JointSteps) -> None:
        """Update object and probe in so many passes over the sample."""
        count = len(self.sample.corners)
        number = -(-count // steps.batch)
        for _ in range(passes):
            order = self.rng.permutation(count)
            for first in range(number):
                self._update(torch.from_numpy(order[first::number]), steps)

    def copy(self, probe: Tensor, rng: np.random.Generator) -> "JointUpdates":
        """The same object under another probe `(P, N, N)` of the same power, without momentum; rng draws orders."""
        made = JointUpdates(self.sample, probe, rng)
        made.object = self.object.clone()
        return made

    def held_back_misfit(self) -> float:
        """`sum (A - |F psi|)^2 / sum A^2` over the pixels that no update saw."""
        sample, lost, total = self.sample, 0.0, 0.0
        for rows in torch.arange(len(sample.corners)).split(KNOWN_PROBE.batch):
            probes, patches = self._fields(rows)
            modelled = mode_sum_intensity(far_field(exit_waves(patches, probes))).sqrt_()
            judged, amplitude = sample.held_back[rows], sample.amplitude[rows]
            lost += float(((modelled - amplitude).square_() * judged).sum())
            total += float((amplitude.square() * judged).sum())
        return lost / max(total, _TINY)

    def _fields(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        corners = [self.sample.corners[row] for row in rows.tolist()]
        return shift_probe(self.probe, self.sample.fraction_yx[rows]), read(self.object, corners, self.probe.shape[-1])

    def _update(self, rows: Tensor, steps: JointSteps) -> None:
        sample = self.sample
        corners = [sample.corners[row] for row in rows.tolist()]
        probes, patches = self._fields(rows)
        waves = exit_waves(patches, probes)
        change = exit_wave_change(waves, sample.amplitude[rows], sample.photon, sample.fitted[rows]).change
        summed, illumination = torch.zeros_like(self.object), torch.zeros_like(self.object.real)
        add(summed, over_modes(change * probes.conj()), corners)
        add(illumination, mode_sum_intensity(probes), corners)
        largest = float(illumination.max())
        floor = illumination.mul_(steps.local).add_((1 - steps.local) * largest).clamp_min_(_TINY)
        if steps.probe:
            back, seen = probe_change(change, patches, sample.fraction_yx[rows])
            self.velocity = steps.momentum * self.velocity + steps.probe / float(seen.max()) * back
        self.object += steps.object * summed / floor
        if steps.probe:
            self._move_probe()

    def _move_probe(self) -> None:
        """Move the probe by its velocity and bring it back to its power; the object takes the inverse."""
        probe = self.probe + self.velocity
        scale = self.norm / float(power(probe).sum().sqrt())
        self.probe, self.object = probe * scale, self.object / scale
