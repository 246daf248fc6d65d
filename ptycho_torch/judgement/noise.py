"""The misfit that counting statistics alone gives."""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

# Beyond this mean the misfit is 1/4 to 1e-4.
_MOST, _STEPS = 1e3, 2**18


def noise_misfit(photons: NDArray[np.floating]) -> NDArray[np.float32]:
    """`E[(sqrt k - sqrt m)^2]` of Poisson counts k with mean m, of any shape: 2 m at few photons, 1/4 at many."""
    # The nearest of many values, at steps of `sqrt m`: interpolation between a few takes twenty times as long.
    step = np.rint(np.sqrt(np.minimum(photons, _MOST)) * np.float32(_STEPS / np.sqrt(_MOST)))
    return np.asarray(_table()[step.astype(np.int32)])


@functools.cache
def _table() -> NDArray[np.float32]:
    """The misfit at means of which the roots have equal steps."""
    mean = np.concatenate([[0.0], np.geomspace(1e-4, _MOST, 400)])
    counts = np.arange(1200)
    # Not `scipy.stats`, whose import takes longer than many a reconstruction.
    probability = np.exp(xlogy(counts, mean[:, None]) - gammaln(counts + 1) - mean[:, None])
    root = (probability * np.sqrt(counts)).sum(axis=1)
    misfit = np.maximum(2 * mean - 2 * np.sqrt(mean) * root, 0)
    every = np.linspace(0, np.sqrt(_MOST), _STEPS + 1) ** 2
    return np.asarray(np.interp(every, mean, misfit), np.float32)
