"""Whether patterns resemble those at neighbouring positions, whatever probe and object are."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ptycho_torch.judgement.trial import Part

# Less than this correlation of neighbours is that of patterns in any order.
ALIKE = 0.25
# Total and centre of mass show something where so much of their variance is not noise.
MEANT = 0.5
NEIGHBOURS, LEAST = 4, 60


def likeness(part: Part, position_yx: NDArray[np.float64]) -> float | None:
    """The correlation between patterns at neighbouring positions of their totals, or of one coordinate of their centres
    of mass, whichever is largest: Moran's `I = <f_i f_j> / <f_i^2>` over the four nearest neighbours.

    These vary slowly over the width of the probe. part: the patterns; position_yx `(K, 2)` px. None for
    too few patterns, and where noise alone would vary as much.
    """
    if len(position_yx) < LEAST:
        return None
    intensity = part.amplitude.square().numpy().astype(np.float64)
    side = intensity.shape[-1]
    frequency = np.fft.fftfreq(side) * side
    weights = [
        np.ones((side, side)),
        np.broadcast_to(frequency[:, None], (side, side)),
        np.broadcast_to(frequency, (side, side)),
    ]
    total = intensity.sum()
    found = []
    for number, weight in enumerate(weights):
        centred = weight - (weight * intensity).sum() / total if number else weight
        feature = (intensity * centred).sum((1, 2))
        feature -= feature.mean()
        noise = part.photon * (intensity * np.square(centred)).sum((1, 2)).mean()
        if feature.var() > 0 and noise < (1 - MEANT) * feature.var():
            found.append(feature / feature.std())
    if not found:
        return None
    _, near = cKDTree(position_yx).query(position_yx, k=NEIGHBOURS + 1)
    return max(float((one[:, None] * one[near[:, 1:]]).mean()) for one in found)
