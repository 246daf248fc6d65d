"""The two scales of a stitched object that fit the measured patterns best.

`I = sum_p |F(P_p (s1 a + i s2 b))|^2 = s1^2 X1 + s2^2 X2 + s1 s2 X3` for an object `a + i b` is
linear in `q = (s1^2, s1 s2, s2^2)`; the best q of that form is found exactly from a few sums
(variable projection, Golub & Pereyra 1973).
"""

import attrs
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity

_ANGLES = 720
# Smallest eigenvalue of the correlation of the three parts at which they count as different.
_RANK_FLOOR = 1e-7


def intensity_parts(patches: Tensor, probe: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """`X1, X2, X3` of patches `(..., N, N)` under a probe `(..., P, N, N)`, complex; each `(..., N, N)`."""
    real = far_field(exit_waves(patches.real.to(patches.dtype), probe))
    imaginary = far_field(exit_waves(1j * patches.imag, probe))
    cross = 2 * (real * imaginary.conj()).real.sum(dim=-3)
    return mode_sum_intensity(real), mode_sum_intensity(imaginary), cross


@attrs.frozen(eq=False)
class Moments:
    """Sums over pixels of products of `X = (X1, X3, X2)` and I: `gram (3, 3)`, `target (3,)`."""

    gram: NDArray[np.float64]
    target: NDArray[np.float64]

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.gram + other.gram, self.target + other.target)


def moments(patches: Tensor, probe: Tensor, intensity: Tensor, valid_pixels: Tensor | None = None) -> Moments:
    """The moments of a batch: patches `(..., N, N)` and probe `(..., P, N, N)` complex, measured intensity
    `(..., N, N)` in the unit of `|probe|^2`, valid_pixels bool `(N, N)` (None: all). Sums in float64."""
    first, second, cross = intensity_parts(patches, probe)
    columns = torch.stack([first, cross, second])
    if valid_pixels is not None:
        columns, intensity = columns * valid_pixels, intensity * valid_pixels
    columns, measured = columns.flatten(1).double(), intensity.flatten().double()
    return Moments((columns @ columns.T).cpu().numpy(), (columns @ measured).cpu().numpy())


def solve(sums: Moments) -> tuple[float, float]:
    """`(s1, s2)`, `s1 >= 0`, that minimise `sum (s1^2 X1 + s2^2 X2 + s1 s2 X3 - I)^2`.

    With `(s1, s2) = sqrt(r) (cos t, sin t)` and `d = (cos^2, cos sin, sin^2)`, the best r for an
    angle is `max(b.d, 0) / d'Md`, which leaves one angle to search. Raises ValueError where no
    positive scale fits, or where real and imaginary part are the same pattern up to a factor (an
    object of one phase), so that the patterns do not tell one scale from the other.
    """
    from scipy.optimize import minimize_scalar

    norms = np.sqrt(np.diag(sums.gram))
    if not (norms > 0).all() or np.linalg.eigvalsh(sums.gram / np.outer(norms, norms))[0] < _RANK_FLOOR:
        raise ValueError("the patterns do not tell the scale of the real from that of the imaginary part")

    def gain(angle: float) -> float:
        direction = _direction(angle)
        return -(max(float(sums.target @ direction), 0.0) ** 2) / float(direction @ sums.gram @ direction)

    grid = np.linspace(-np.pi / 2, np.pi / 2, _ANGLES, endpoint=False)
    best = grid[int(np.argmin([gain(angle) for angle in grid]))]
    step = np.pi / _ANGLES
    bounds = (best - step, best + step)
    angle = float(minimize_scalar(gain, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x)
    direction = _direction(angle)
    energy = float(sums.target @ direction) / float(direction @ sums.gram @ direction)
    if not energy > 0:
        raise ValueError("no positive scale of real and imaginary part fits the patterns")
    sign = 1.0 if np.cos(angle) >= 0 else -1.0
    return sign * float(np.sqrt(energy) * np.cos(angle)), sign * float(np.sqrt(energy) * np.sin(angle))


def _direction(angle: float) -> NDArray[np.float64]:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine**2, cosine * sine, sine**2])
