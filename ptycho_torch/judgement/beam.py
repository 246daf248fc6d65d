"""The mean pattern against the pattern of the probe: where the beam is, and whether counts are counts."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ptycho_torch.verdict import Evidence

Real = NDArray[np.floating]
# Less than this length of the mean phase factor is a pattern without a middle.
LEAST_CENTRED = 0.2
# A beam this far from the middle, as a share of the side, wraps around.
OFF_CENTRE = 0.125


def beam_offset(mean: Real) -> tuple[NDArray[np.float64], float]:
    """The distance of the middle of a mean pattern `(N, N)` from its centre pixel, (y, x) px, on a circle; and how
    concentrated it is, 0 to 1."""
    side = len(mean)
    total = max(float(mean.sum()), np.finfo(float).tiny)
    turn = np.exp(2j * np.pi * (np.arange(side) - side // 2) / side)
    vectors = np.array([(mean.sum(axis=1) * turn).sum(), (mean.sum(axis=0) * turn).sum()]) / total
    return np.angle(vectors) * side / (2 * np.pi), float(np.abs(vectors).min())


def beam_evidence(mean: Real, flat: Real, *, whole: bool, power: float, squared: bool) -> Iterator[Evidence]:
    """The evidence of the mean pattern.

    mean `(N, N)`: the patterns' mean, zero frequency expected at `[N/2, N/2]`, 0 at invalid pixels; flat `(N, N)`: the
    pattern of the probe, 0 there too, with the unit of counts; whole: patterns are whole numbers; power: sum |P|^2 of
    the probe; squared: the patterns are squares of stored amplitudes.
    """
    side = len(mean)
    offset, concentrated = beam_offset(mean)
    if concentrated > LEAST_CENTRED and (np.abs(offset) > OFF_CENTRE * side).any():
        corner = (np.abs(offset) > 0.4 * side).all()
        where = "in the corner" if corner else f"{round(offset[0])}, {round(offset[1])} px (y, x) from the middle"
        remedy = "move it to [N/2, N/2] with numpy.fft.fftshift" if corner else "crop the patterns around the beam"
        text = f"zero frequency is {where} of the patterns, not at [{side // 2}, {side // 2}]"
        yield Evidence(name="beam", level="wrong", text=text, value=float(np.abs(offset).max()), remedy=remedy)
    total = float(mean.sum())
    ratio = power / total if total > 0 else np.inf
    if whole or squared or 0.1 < ratio < 10:
        return
    counts, amplitudes = _alike(np.sqrt(mean), np.sqrt(flat)), _alike(mean, np.sqrt(flat))
    if amplitudes > counts:
        text = (
            f"patterns look like amplitudes but are read as counts: no whole numbers, the probe has {ratio:.3g} times "
            f"the power of a pattern, and its pattern is more like them ({amplitudes:.3f}) than like their root "
            f"({counts:.3f})"
        )
        remedy = "--measurement-domain normalized_amplitude squares them"
        yield Evidence(name="amplitudes", level="wrong", text=text, value=ratio, remedy=remedy)


def _alike(one: Real, other: Real) -> float:
    """The cosine between two images of values of 0 and more."""
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / norm if norm > 0 else 0.0
