"""The search for incoherent modes of a probe.

One mode more is compared with one mode less after as many joint passes from the same object, by pixels that neither has
seen. Joint updates let a faint mode grow, as its momentum adds up over batches; passes that follow the object do not.
"""

import numpy as np
from torch import Tensor

from ptycho_torch.physics.probe_modes import grow_mode, orthogonal_modes
from ptycho_torch.reconstruction.joint_updates import KNOWN_PROBE, RETRIEVAL, JointUpdates
from ptycho_torch.reconstruction.pattern_sample import PatternSample

OBJECT_PASSES, SETTLING_PASSES, MODE_PASSES, LOOK_PASSES = 6, 8, 12, 4
# What another mode leaves of the differences between the patterns, at most, of what the same passes leave without it.
KEPT = 0.9
# A mode that leaves less needs no more passes to be taken.
CLEARLY = 0.75
# The time of a search grows with the square of their number.
MOST = 4


def find_modes(sample: PatternSample, probe: Tensor, number: int, seed: int) -> Tensor:
    """The probe `(P, N, N)` with `number` orthogonal modes; where that is 0, with as many as held-back pixels ask for,
    at most 4.

    sample: patterns of the scan; seed: of their orders. A probe that has as many already comes back as it is.
    """
    if len(probe) >= (number or MOST):
        return probe
    fit = JointUpdates(sample, probe, np.random.default_rng(seed))
    fit.run(OBJECT_PASSES, KNOWN_PROBE)
    fit.run(SETTLING_PASSES, RETRIEVAL)
    growing = True
    while growing and len(fit.probe) < (number or MOST):
        if number:
            fit = _branch(fit, grow_mode(fit.probe), seed)
            fit.run(MODE_PASSES, RETRIEVAL)
        else:
            fit, growing = _compare(fit, seed)
    return orthogonal_modes(fit.probe if len(fit.probe) > len(probe) else probe).cpu()


def _compare(fit: JointUpdates, seed: int) -> tuple[JointUpdates, bool]:
    """The fit after more passes with another mode, where held-back pixels ask for it, else without; and whether they
    do. As soon as it is clear that they do, no more passes are made."""
    more, same = _branch(fit, grow_mode(fit.probe), seed), _branch(fit, fit.probe, seed)
    for _ in range(MODE_PASSES // LOOK_PASSES):
        more.run(LOOK_PASSES, RETRIEVAL)
        same.run(LOOK_PASSES, RETRIEVAL)
        if _left(more) < CLEARLY * _left(same):
            return more, True
    return (more, True) if _left(more) <= KEPT * _left(same) else (same, False)


def _branch(fit: JointUpdates, probe: Tensor, seed: int) -> JointUpdates:
    return fit.copy(probe, np.random.default_rng(seed))


def _left(fit: JointUpdates) -> float:
    return fit.held_back_misfit() - fit.sample.noise
