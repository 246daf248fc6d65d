"""Relative flux of frames and background of the detector: `I_j = g_j M_j + b`, M_j the far field of the model.

Both follow the likelihood of Poisson counts: with `s_j = A_j^2 / (g_j M_j + b)` its derivative by `g_j` is
`sum_q M_j (s_j - 1)` and by b `sum_j (s_j - 1)`, its curvature by b about `sum_j s_j / (g_j M_j + b)`.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from torch import Tensor

from ptycho_torch.physics.exit_wave_update import OFFSET_PHOTONS

NEIGHBOURS = 12
DARK_FRAME, FEWEST_FRAMES = 1e-3, 6
DARK_PIXELS, LEAST_BACKGROUND = 0.05, 1e-6
# A background changes slowly over the detector: the width in px over which its image is averaged.
SMOOTH_PX = 2.0
# A new background is at least this part of the old one, and at most its inverse.
_LEAST = 0.25


def flux_from_neighbours(total: NDArray[np.float64], position_yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """The flux of each frame relative to its neighbours, `(n,)` of mean 1.

    The totals of neighbours differ by flux and, as far as the illumination is wide, little by the object: a plane
    through the logarithms of the totals of the nearest 12 gives what is expected.

    total: the intensity of each pattern `(n,)`; position_yx: `(n, 2)` in px. A dark pattern has the flux of the others.
    """
    bright = total > DARK_FRAME * np.median(total)
    flux = np.ones(len(total))
    if bright.sum() >= FEWEST_FRAMES:
        flux[bright] = _relative(total[bright], position_yx[bright])
    return flux


def _relative(total: NDArray[np.float64], position_yx: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same, of bright patterns alone."""
    count = len(total)
    near = cKDTree(position_yx).query(position_yx, k=min(NEIGHBOURS + 1, count))[1][:, 1:]
    log, ones = np.log(total), np.ones((count, near.shape[1], 1))
    design = np.concatenate([ones, position_yx[near] - position_yx[:, None]], axis=2)
    expected = (np.linalg.pinv(design) @ log[near][..., None])[:, 0, 0]
    relative: NDArray[np.float64] = np.exp(log - expected)
    relative /= relative.mean()
    return relative


def first_background(mean: NDArray[np.float32], valid_pixels: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """A first guess `(N, N)` of the background: the mean intensity that a twentieth of the valid pixels does not reach.

    mean: of all patterns `(N, N)`; valid_pixels: bool `(N, N)`, None for all. It is above 0, for factors to grow from.
    """
    seen = mean if valid_pixels is None else mean[valid_pixels]
    level = max(float(np.quantile(seen, DARK_PIXELS)), LEAST_BACKGROUND * float(seen.mean()))
    return np.full(mean.shape, level, np.float32)


def flux_factor(amplitude: Tensor, expected: Tensor, background: Tensor | float, valid_pixels: Tensor) -> Tensor:
    """`sum_q M s / sum_q M`, `(B,)`, by which the flux of each frame must grow.

    amplitude: `(B, N, N)`; background and expected: of `exit_wave_update.exit_wave_change`; all three are divided by
    the present flux. valid_pixels: bool `(N, N)` or `(B, N, N)`.
    """
    modelled = (expected - background).clamp_min_(0).mul_(valid_pixels)
    grown = modelled * amplitude.square() / expected
    return grown.sum((1, 2)) / modelled.sum((1, 2)).clamp_min(torch.finfo(modelled.dtype).tiny)


def background_sums(
    amplitude: Tensor, expected: Tensor, photon: float, flux: Tensor, valid_pixels: Tensor
) -> tuple[Tensor, Tensor]:
    """Derivative and curvature of the likelihood by b, `(N, N)` each, summed over frames.

    amplitude: `(B, N, N)`; expected, photon: of `exit_wave_update.exit_wave_change`, whose offset is taken into
    account; both are divided by the present flux: `(B,)`. valid_pixels: bool `(N, N)` or `(B, N, N)`.
    """
    grown = (amplitude.square() + OFFSET_PHOTONS * photon) / expected
    slope = ((grown - 1) * valid_pixels).sum(0)
    curvature = (grown / (expected * flux[:, None, None]) * valid_pixels).sum(0)
    return slope, curvature


def next_background(background: Tensor, slope: Tensor, curvature: Tensor, *, image: bool) -> Tensor:
    """The background `(N, N)` after a Newton step with the sums `slope` and `curvature`, `(N, N)` each.

    image: smooth over 2 px, otherwise one value for all pixels. It stays positive. Pixels that were not measured take
    the value of their surroundings.
    """
    if image:
        shifted = (torch.fft.fftshift(part).cpu().numpy() for part in (slope, curvature))
        slope, curvature = (
            torch.fft.ifftshift(torch.from_numpy(gaussian_filter(part, SMOOTH_PX))).to(background) for part in shifted
        )
        step = slope / curvature.clamp_min(1e-3 * float(curvature.max()))
    else:
        step = slope.sum() / curvature.sum()
    return torch.minimum(torch.maximum(background + step, _LEAST * background), background / _LEAST)
