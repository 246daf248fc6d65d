"""Scales of the replaced system between what was measured and photons.

A scale is one number for a whole scan ("Batch") or one for each group of overlapping patterns
("Group"). Patterns are amplitudes or counts `(n, N, N)`, or groups of them `(B, C, N, N)`; sums
are taken in float64 and results have the dtype of the patterns.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import attrs
import torch
from torch import Tensor

from ptycho_torch.physics.scaling import Method, refuse_dark

Over = Literal["Batch", "Group"]
Reduction = Callable[[Tensor, int], Tensor]


def energy_scale(patterns: Tensor, energy: float, over: Over) -> Tensor:
    """`a = sqrt(E / mean sum X^2)`: `a X` has the energy E a pattern, on average.

    Returns `(1, 1, 1)` for patterns `(n, N, N)`, and for `(B, C, N, N)` `(1, 1, 1, 1)` ("Batch") or
    `(B, 1, 1, 1)` ("Group"; a group of one pattern is scaled with its scan). Raises ValueError where
    the energy is not positive and finite.
    """
    measured = _reduced(patterns.double().square(), over, torch.mean)
    refuse_dark(measured, "mean energy sum X^2 of the patterns")
    return torch.sqrt(energy / measured).to(patterns.dtype)


def physics_scale(amplitude: Tensor, over: Over = "Batch", method: Method = "Parseval") -> Tensor:
    """The factor on amplitudes X inside a loss: `1 / mean sum X` (Parseval) or `1 / max sum X` (Max).

    Shapes and errors as `energy_scale`. Amplitudes are summed, not squared.
    """
    return _inverse_sum(amplitude, over, torch.mean if method == "Parseval" else torch.amax)


def intensity_scale(amplitude: Tensor, nphotons: float) -> float:
    """`s = sqrt(nphotons / mean sum X^2)`: `(s X)^2` are counts of nphotons a pattern, on average.

    Raises ValueError where the energy or the number of photons is not positive and finite.
    """
    refuse_dark(torch.tensor(nphotons, dtype=torch.float64), "number of photons a pattern")
    return float(energy_scale(amplitude.double(), nphotons, "Batch"))


@attrs.frozen
class CountStatistics:
    """Statistics of a training set of counts I, kept with the model and used unchanged on other scans.

    rms_input_scale: `sqrt((N/2)^2 / mean sum I^2)`, the factor on counts before a network sees them;
    mean_measured_intensity: `mean I`, counts per pixel, what a likelihood is divided by.
    """

    rms_input_scale: float
    mean_measured_intensity: float


def count_statistics(parts: Iterable[Tensor]) -> CountStatistics:
    """Statistics of counts that come in parts `(..., N, N)`, such as chunks read from a file.

    Raises ValueError for no patterns, for counts that are negative or not finite, and for none at all.
    """
    squared = total = 0.0
    patterns, side = 0, 0
    for part in parts:
        counts = part.double()
        if not bool(torch.isfinite(counts).all()) or bool((counts < 0).any()):
            raise ValueError("counts must be finite and not negative; leave out or mask the pixels that are not")
        squared, total = squared + float(counts.square().sum()), total + float(counts.sum())
        side = part.shape[-1]
        patterns += part.numel() // side**2
    if patterns == 0:
        raise ValueError("statistics of counts need at least one pattern")
    mean_energy = squared / patterns
    refuse_dark(torch.tensor(mean_energy, dtype=torch.float64), "mean energy sum I^2 of the counts")
    return CountStatistics((side / 2) / mean_energy**0.5, total / (patterns * side**2))


def _inverse_sum(amplitude: Tensor, over: Over, across: Reduction) -> Tensor:
    total = _reduced(amplitude.double(), over, across)
    refuse_dark(total, "sum of amplitudes of a pattern")
    return (1.0 / total).to(amplitude.dtype)


def _reduced(values: Tensor, over: Over, across: Reduction) -> Tensor:
    """Sums over the pixels of each pattern, then across patterns."""
    if values.ndim not in (3, 4) or values.numel() == 0:
        raise ValueError(f"patterns must be (n, N, N) or (B, C, N, N) and not empty, got {tuple(values.shape)}")
    sums = values.sum(dim=(-2, -1))
    # A group of one pattern has nobody to share a scale with: on its own it would lose its brightness.
    alone = sums.ndim == 1 or sums.shape[1] == 1
    rows = sums.reshape(1, -1) if over == "Batch" or alone else sums
    return across(rows, 1).reshape(-1, *(1,) * (values.ndim - 1))
