"""The search for incoherent modes of a probe.

One mode more is compared with one mode less after as many joint passes from the same object, by pixels that neither has
seen. Joint updates let a faint mode grow, as its momentum adds up over batches; passes that follow the object do not.
"""

import numpy as np
from torch import Tensor

from ptycho_torch.physics.probe_modes import grow_mode, orthogonal_modes
from ptycho_torch.reconstruction.joint_updates import KNOWN_PROBE, RETRIEVAL, JointUpdates
from ptycho_torch.reconstruction.pattern_sample import PatternSample

OBJECT_PASSES, SETTLING_PASSES, MODE_PASSES = 6, 8, 16
# What another mode leaves of the differences between the patterns, at most, of what the same passes leave without it.
KEPT = 0.95
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
    found = probe
    while len(fit.probe) < (number or MOST):
        more = _branch(fit, grow_mode(fit.probe), seed)
        if not number and _left(more) > KEPT * _left(_branch(fit, fit.probe, seed)):
            break
        fit, found = more, more.probe
    return orthogonal_modes(found).cpu()


def _branch(fit: JointUpdates, probe: Tensor, seed: int) -> JointUpdates:
    made = fit.copy(probe, np.random.default_rng(seed))
    made.run(MODE_PASSES, RETRIEVAL)
    return made


def _left(fit: JointUpdates) -> float:
    return fit.held_back_misfit() - fit.sample.noise
