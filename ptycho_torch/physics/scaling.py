"""Scales between what was measured, what a network sees, and photons.

A scale is one number for a whole scan ("Batch") or one for each group of overlapping patterns
("Group"). Patterns are amplitudes or counts `(n, N, N)`, or groups of them `(B, C, N, N)`; sums
are taken in float64 and results have the dtype of the patterns.
"""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import attrs
import torch
from torch import Tensor

from ptycho_torch.physics.diffraction import power

Over = Literal["Batch", "Group"]
Method = Literal["Parseval", "Max"]
Reduction = Callable[[Tensor, int], Tensor]


def energy_scale(patterns: Tensor, energy: float, over: Over) -> Tensor:
    """`a = sqrt(E / mean sum X^2)`: `a X` has the energy E a pattern, on average.

    Returns `(1, 1, 1)` for patterns `(n, N, N)`, and for `(B, C, N, N)` `(1, 1, 1, 1)` ("Batch") or
    `(B, 1, 1, 1)` ("Group"; a group of one pattern is scaled with its scan). Raises ValueError where
    the energy is not positive and finite.
    """
    measured = _reduced(patterns.double().square(), over, torch.mean)
    _check_positive(measured, "mean energy sum X^2 of the patterns")
    return torch.sqrt(energy / measured).to(patterns.dtype)


def rms_input_scale(amplitude: Tensor, over: Over = "Batch", method: Method = "Parseval") -> Tensor:
    """The factor on amplitudes X before a network sees them; shapes and errors as `energy_scale`.

    Parseval: `sqrt(N^2 / mean sum X^2)`, unit mean intensity per pixel, as an object of unit
    modulus gives under a probe of energy `N^2`. Max: `1 / max sum X`.
    """
    if method == "Parseval":
        return energy_scale(amplitude, float(amplitude.shape[-1] ** 2), over)
    return _inverse_sum(amplitude, over, torch.amax)


def physics_scale(amplitude: Tensor, over: Over = "Batch", method: Method = "Parseval") -> Tensor:
    """The factor on amplitudes X inside a loss: `1 / mean sum X` (Parseval) or `1 / max sum X` (Max).

    Shapes and errors as `energy_scale`. Amplitudes are summed, not squared.
    """
    return _inverse_sum(amplitude, over, torch.mean if method == "Parseval" else torch.amax)


def intensity_scale(amplitude: Tensor, nphotons: float) -> float:
    """`s = sqrt(nphotons / mean sum X^2)`: `(s X)^2` are counts of nphotons a pattern, on average.

    Raises ValueError where the energy or the number of photons is not positive and finite.
    """
    _check_positive(torch.tensor(nphotons, dtype=torch.float64), "number of photons a pattern")
    return float(energy_scale(amplitude.double(), nphotons, "Batch"))


@attrs.frozen
class CountStatistics:
    """What a training set of counts I says once and for all: taken from it, kept with the model, used
    unchanged on every other scan.

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
            raise ValueError(
                "counts must be finite and not negative; leave out or mask the pixels that are not"
            )
        squared, total = squared + float(counts.square().sum()), total + float(counts.sum())
        side = part.shape[-1]
        patterns += part.numel() // side**2
    if patterns == 0:
        raise ValueError("statistics of counts need at least one pattern")
    mean_energy = squared / patterns
    _check_positive(torch.tensor(mean_energy, dtype=torch.float64), "mean energy sum I^2 of the counts")
    return CountStatistics((side / 2) / mean_energy**0.5, total / (patterns * side**2))


class NormalisedProbe(NamedTuple):
    """The probe `q P` and its factor q."""

    probe: Tensor
    factor: float


def normalise_probe(probe: Tensor, probe_scale: float, mask: Tensor | None = None) -> NormalisedProbe:
    """`P -> q P`, `q = 1 / (probe_scale mean|m P|)`: mean modulus `1 / probe_scale` under the mask m.

    probe `(N, N)` or `(P, N, N)` complex, mask `(N, N)` or None for 1 everywhere. One factor for all
    modes, so that their powers keep their ratio; the mask decides the factor and does not touch the
    probe. Raises ValueError where probe_scale or the mean modulus is not positive and finite.
    """
    _check_positive(torch.tensor(probe_scale, dtype=torch.float64), "probe_scale")
    modulus = power(probe.to(torch.complex128)).sqrt()
    mean = (modulus if mask is None else modulus * mask).mean()
    _check_positive(mean, "mean modulus of the probe" + ("" if mask is None else " under its mask"))
    factor = 1.0 / (probe_scale * float(mean))
    return NormalisedProbe((probe * factor).to(probe.dtype), factor)


def field_scale(probe_factor: Tensor, physics: Tensor | None = None) -> Tensor:
    """`k = 1 / q`, or `k = 1 / (q sqrt(s))`: what brings `q P O` back to the units of measurement.

    probe_factor q is that of `normalise_probe`; physics s is the `physics_scale` of normalised
    amplitudes, None for counts. Raises ValueError where one of them is not positive and finite.
    """
    _check_positive(probe_factor, "factor of the probe")
    if physics is None:
        return 1.0 / probe_factor
    _check_positive(physics, "physics scale")
    return 1.0 / (probe_factor * torch.sqrt(physics))


def _inverse_sum(amplitude: Tensor, over: Over, across: Reduction) -> Tensor:
    total = _reduced(amplitude.double(), over, across)
    _check_positive(total, "sum of amplitudes of a pattern")
    return (1.0 / total).to(amplitude.dtype)


def _reduced(values: Tensor, over: Over, across: Reduction) -> Tensor:
    """Sums over the pixels of each pattern, then across patterns."""
    if values.ndim not in (3, 4) or values.numel() == 0:
        raise ValueError(
            f"patterns must be (n, N, N) or (B, C, N, N) and not empty, got {tuple(values.shape)}"
        )
    sums = values.sum(dim=(-2, -1))
    # A group of one pattern has nobody to share a scale with: on its own it would lose its brightness.
    alone = sums.ndim == 1 or sums.shape[1] == 1
    rows = sums.reshape(1, -1) if over == "Batch" or alone else sums
    return across(rows, 1).reshape(-1, *(1,) * (values.ndim - 1))


def _check_positive(value: Tensor, name: str) -> None:
    wrong = ~(torch.isfinite(value) & (value > 0))
    if bool(wrong.any()):
        found = float(value[wrong].flatten()[0])
        raise ValueError(f"the {name} must be positive and finite, got {found:g}")
