"""Whether consecutive patterns share their noise, as those of a detector that keeps a part of the last frame do.

The noise of different frames is independent. What a model leaves of the object is shared by neighbours, but by those
two frames apart nearly as much.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.judgement.orientation import SIGNIFICANT, standard_errors
from ptycho_torch.verdict import Evidence

# The correlation of consecutive residuals is at most so much above that of residuals two frames apart, where R is at
# most so many times that of noise: what a model leaves is correlated by less.
SHARED, MOST_NOISE = 0.2, 3.0
_APART = 2


class ResidualProducts:
    """Products of the residuals `(B, N, N)` of frames that are added in their order: of each of `count` with the next,
    less those with the one after that, and their squares."""

    def __init__(self, count: int) -> None:
        self.more = torch.zeros(max(count - _APART, 0), dtype=torch.float64)
        self.power, self.done = 0.0, 0
        self.last: Tensor | None = None

    def add(self, residual: Tensor) -> None:
        """Add the next frames."""
        self.power += float(residual.square().sum(dtype=torch.float64))
        both = residual if self.last is None else torch.cat([self.last, residual])
        number = len(both) - _APART
        if number > 0:
            more = both[:number] * (both[1 : number + 1] - both[_APART:])
            self.more[self.done : self.done + number] = more.sum((1, 2), dtype=torch.float64).cpu()
            self.done += number
        self.last = both[-_APART:].clone()

    def shares(self) -> NDArray[np.float64]:
        """The products `(n - 2,)` as shares of the mean square: their mean is the difference of the correlations."""
        scale = (len(self.more) + _APART) / self.power if self.power > 0 else 0.0
        return np.asarray(self.more.numpy() * scale)


def shared_noise_evidence(shares: NDArray[np.float64], times_noise: float) -> Iterator[Evidence]:
    """The evidence of `ResidualProducts.shares`; times_noise: R over that of noise alone. None where noise is a small
    part of the residuals."""
    if len(shares) <= _APART or times_noise > MOST_NOISE:
        return
    correlation, errors = float(shares.mean()), standard_errors(torch.from_numpy(shares))
    text = (
        f"residuals of consecutive patterns are correlated by {correlation:.2g} more than those of patterns two apart "
        f"({errors:.0f} standard errors)"
    )
    if correlation <= SHARED or errors <= SIGNIFICANT:
        yield Evidence(name="shared noise", level="sound", text=text, value=correlation)
        return
    text = f"{text}: they share noise, each holds a part of the one before"
    remedy = "read out the detector fully between frames, or subtract from each pattern its part of the one before"
    yield Evidence(name="shared noise", level="doubtful", text=text, value=correlation, remedy=remedy)
