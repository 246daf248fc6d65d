"""Refine a stitched object against the measured patterns of a scan, with the known probe.

Passes of simultaneous updates over random batches of patterns (ePIE-like: Maiden & Rodenburg,
Ultramicroscopy 109, 1256 (2009)), and between them corrections of the coarse structure, which such
updates find last (`physics.coarse`).
"""

from collections.abc import Callable

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_config.schema.refine import RefineOptions
from ptycho_torch.physics.coarse import Equations, correction, equations, hats, moments
from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity, shift_probe
from ptycho_torch.records import Scan

Progress = Callable[[int], object]
_SMOOTHNESS = 0.1
_GRID = 5
_CACHE_BYTES = 256 * 2**20
_COARSE_BATCH = 64


@attrs.frozen(eq=False)
class Refined:
    """What the patterns made of an object, in the units of the scan.

    object `(H, W)` complex64; probe `(P, N, N)` complex64; positions as `centre_yx` `(n, 2)` int64
    and `fraction_yx` `(n, 2)` float32; history: R of each pass, every pattern before its update.
    """

    object: Tensor
    probe: Tensor
    centre_yx: Tensor
    fraction_yx: Tensor
    history: tuple[float, ...]


def refine(
    scan: Scan,
    object_: Tensor,
    origin_yx: tuple[int, int],
    options: RefineOptions,
    *,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress = lambda _: None,
    good: Tensor | None = None,
) -> Refined:
    """The object `(H, W)` complex64 in network units after `options.passes` passes over all patterns.

    `origin_yx` is the scan pixel of its `[0, 0]`; every patch must lie on it. `good` `(N, N)` bool in
    FFT order: pixels of the detector that measure. Pixels without illumination keep their value.
    `progress` is told the number of patterns of each finished batch. Raises ValueError.
    """
    with torch.inference_mode():
        work = _Work(scan, object_, origin_yx, options, device, good)
        history = []
        for number in range(options.passes):
            if number < options.coarse:
                work.correct_coarse()
            history.append(work.sweep(rng, progress))
        return Refined(
            work.object.clone().cpu(), scan.probe, scan.centre_yx, scan.fraction_yx, tuple(history)
        )


class _Work:
    """The state of a refinement: the object, and the scan in the form that passes need."""

    def __init__(
        self,
        scan: Scan,
        object_: Tensor,
        origin_yx: tuple[int, int],
        options: RefineOptions,
        device: torch.device,
        good: Tensor | None,
    ) -> None:
        self.scan, self.options, self.device = scan, options, device
        self.side = scan.probe.shape[-1]
        self.object = object_.to(device, torch.complex64, copy=True)
        self.corner_yx = scan.centre_yx - self.side // 2 - torch.tensor(origin_yx)
        _check_inside(self.corner_yx, self.side, self.object.shape)
        self.corners = self.corner_yx.tolist()
        self.probe = scan.probe.to(device)
        self.peak = float(mode_sum_intensity(self.probe).max())
        self.good = None if good is None else good.to(device)

    def _probes(self, rows: Tensor) -> Tensor:
        return shift_probe(self.probe, self.scan.fraction_yx[rows].to(self.device))

    def _patches(self, rows: list[int]) -> Tensor:
        n = self.side
        corners = (self.corners[row] for row in rows)
        return torch.stack([self.object[y : y + n, x : x + n] for y, x in corners])

    def sweep(self, rng: np.random.Generator, progress: Progress) -> float:
        """One pass in random batches; returns R."""
        count = len(self.corners)
        order = torch.from_numpy(rng.permutation(count))
        numerator, denominator = torch.zeros_like(self.object), torch.zeros_like(self.object.real)
        misfit = total = 0.0
        batches = -(-count // self.options.batch)
        for number in range(batches):
            rows = order[number::batches]
            chosen = rows.tolist()
            probes = self._probes(rows)
            amplitude = self.scan.amplitude[rows].to(self.device)
            waves = exit_waves(self._patches(chosen), probes)
            change, lost = wave_correction(waves, amplitude, self.good)
            back = (change * probes.conj()).sum(1)
            light = mode_sum_intensity(probes)
            numerator.zero_()
            denominator.zero_()
            n = self.side
            for place, row in enumerate(chosen):
                y, x = self.corners[row]
                numerator[y : y + n, x : x + n] += back[place]
                denominator[y : y + n, x : x + n] += light[place]
            alpha = self.options.alpha
            floor = denominator * alpha + (1 - alpha) * self.peak
            self.object += numerator.div_(torch.maximum(denominator, floor))
            misfit += lost
            total += float(amplitude.square().sum())
            progress(len(chosen))
        return misfit / total

    def correct_coarse(self) -> None:
        """Multiply the object by the smooth factor that the moments of all patterns ask for."""
        basis = hats(self.side, max(1, self.side // _GRID), self.device)
        found: Equations | None = None
        for rows in torch.arange(len(self.corners)).split(_COARSE_BATCH):
            waves = exit_waves(self._patches(rows.tolist()), self._probes(rows))
            residual = self.scan.amplitude[rows].to(self.device).square()
            residual -= mode_sum_intensity(far_field(waves))
            if self.good is not None:
                residual *= self.good
            part = equations(waves, moments(residual), self.corner_yx[rows].to(self.device), basis)
            found = part if found is None else found + part
        assert found is not None
        height, width = self.object.shape
        self.object *= correction(found, height, width, basis, _SMOOTHNESS)


def wave_correction(waves: Tensor, amplitude: Tensor, good: Tensor | None) -> tuple[Tensor, float]:
    """`F^-1[(A / sqrt(sum_p |F psi_p|^2) - 1) F psi_p]` and `sum (A - |F psi|)^2`.

    What exit waves `(B, P, N, N)` lack to have the measured amplitude `(B, N, N)`; nothing at pixels
    that are not `good` `(N, N)`.
    """
    side = waves.shape[-1]
    spectrum = torch.fft.fft2(waves)
    modelled = mode_sum_intensity(spectrum)
    modelled += torch.finfo(modelled.dtype).tiny
    inverse = modelled.rsqrt()
    ratio = (amplitude * side).mul_(inverse).sub_(1)
    if good is not None:
        ratio *= good
    misfit = float((modelled * ratio * ratio).sum()) / side**2
    spectrum *= ratio.unsqueeze(1)
    return torch.fft.ifft2(spectrum), misfit


def _check_inside(corner_yx: Tensor, side: int, shape: torch.Size) -> None:
    low, high = corner_yx.amin(0).tolist(), (corner_yx.amax(0) + side).tolist()
    if min(low) < 0 or high[0] > shape[0] or high[1] > shape[1]:
        msg = (
            f"patches of {side} px from {low} to {high} (y, x) do not fit an object of {tuple(shape)} px: "
            "stitch the object from the same scan"
        )
        raise ValueError(msg)
