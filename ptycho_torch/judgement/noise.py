"""The misfit that counting statistics alone gives."""

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy


def noise_misfit(photons: NDArray[np.floating]) -> NDArray[np.float32]:
    """`E[(sqrt k - sqrt m)^2]` of Poisson counts k with mean m, of any shape: 2 m at few photons, 1/4 at many."""
    return np.asarray(np.interp(photons, *_table()), np.float32)


@functools.cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means from 0 to 1,000 and the misfit at each."""
    mean = np.concatenate([[0.0], np.geomspace(1e-4, 1e3, 400)])
    counts = np.arange(1200)
    # Not `scipy.stats`, whose import takes longer than many a reconstruction.
    probability = np.exp(xlogy(counts, mean[:, None]) - gammaln(counts + 1) - mean[:, None])
    root = (probability * np.sqrt(counts)).sum(axis=1)
    return mean, np.maximum(2 * mean - 2 * np.sqrt(mean) * root, 0)
