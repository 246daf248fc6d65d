"""How well an object explains a scan, with no truth needed: the R factor."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ptycho_torch.errors import DivergedError
from ptycho_torch.physics.diffraction import diffraction_intensity, far_field, mode_sum_intensity, shift_probe
from ptycho_torch.physics.patches import cut
from ptycho_torch.records import Canvas, Dataset

CPU = torch.device("cpu")
# Detector pixels modelled at once.
CHUNK_PIXELS = 2**18
HARDLY_BETTER = 0.8
# Modelled amplitudes `(n, N, N)`, or what is broadcast to them, of a slice of the patterns.
Model = Callable[[slice], Tensor]


def r_factor(dataset: Dataset, canvas: Canvas, device: torch.device = CPU) -> float:
    """`R = sum (sqrt(I) - sqrt(M))^2 / sum I` over all patterns and pixels, M the patterns that
    the canvas and the dataset's probe predict, without bad pixels. 0 is a perfect fit."""
    return _r_factors(dataset, [_of_canvas(dataset, canvas, device)], device)[0]


def r_factor_and_flat(
    dataset: Dataset, canvas: Canvas, level: float, device: torch.device = CPU
) -> tuple[float, float]:
    """`r_factor` and, from the same reading of the patterns, that of an object that is `level`
    everywhere: the one to beat."""
    models = [_of_canvas(dataset, canvas, device), _of_flat(dataset, level, device)]
    fitted, flat = _r_factors(dataset, models, device)
    return fitted, flat


def poor_fit_warning(fitted: float, flat: float) -> str | None:
    """What is probably wrong where an object explains its scan hardly better than a flat one."""
    if fitted < HARDLY_BETTER * flat:
        return None
    return (
        f"R = {fitted:.3g} is hardly better than that of a flat object ({flat:.3g}). Usual reasons: x and y "
        "exchanged or with another sign, a wrong probe, zero frequency not at the centre of the patterns, "
        "amplitudes read as counts or the other way round, pixels that do not measure"
    )


def require_finite(r_factor: float, scan: str) -> float:
    """The R factor, or DivergedError where the object that it judges holds what is no number."""
    if not math.isfinite(r_factor):
        raise DivergedError(
            f"the object of {scan} has values that are no numbers; nothing was written. "
            "Look at the patterns and the probe with `ptycho inspect`"
        )
    return r_factor


def _of_canvas(dataset: Dataset, canvas: Canvas, device: torch.device) -> Model:
    probe = torch.from_numpy(dataset.probe).to(device)
    object_ = torch.from_numpy(canvas.object).to(device)
    side = probe.shape[-1]
    nearest = np.round(dataset.position_yx)
    fraction = torch.from_numpy((dataset.position_yx - nearest).astype(np.float32))
    corner = torch.from_numpy((nearest - side // 2 - canvas.origin_yx).astype(np.float32))

    def amplitude(rows: slice) -> Tensor:
        patches = cut(object_, corner[rows].to(device), side)
        return diffraction_intensity(patches, shift_probe(probe, fraction[rows].to(device))).sqrt_()

    return amplitude


def _of_flat(dataset: Dataset, level: float, device: torch.device) -> Model:
    probe = torch.from_numpy(dataset.probe).to(device)
    # Moving a probe turns the phases of its spectrum only, so all patterns are the same.
    amplitude = mode_sum_intensity(far_field(level * probe)).sqrt_()
    return lambda _: amplitude


def _r_factors(dataset: Dataset, models: list[Model], device: torch.device) -> list[float]:
    count, side, _ = dataset.intensity.shape
    step = max(1, CHUNK_PIXELS // side**2)
    valid_pixels = None
    if dataset.bad_pixels is not None:
        valid_pixels = torch.from_numpy(np.fft.ifftshift(~dataset.bad_pixels)).to(device)
    misfit, total = [0.0] * len(models), 0.0
    for start in range(0, count, step):
        rows = slice(start, start + step)
        centred = np.sqrt(dataset.intensity[rows])
        measured = torch.from_numpy(np.fft.ifftshift(centred, axes=(-2, -1))).to(device)
        total += _squares(measured, valid_pixels)
        for index, model in enumerate(models):
            misfit[index] += _squares(measured - model(rows), valid_pixels)
    return [part / total for part in misfit]


def _squares(values: Tensor, valid_pixels: Tensor | None) -> float:
    squared = values.square()
    return float((squared if valid_pixels is None else squared * valid_pixels).sum(dtype=torch.float64))
