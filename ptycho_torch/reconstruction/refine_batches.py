"""The batches of a refinement: patterns that are updated together, and what their updates need."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import attrs
import torch
from torch import Tensor

from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.physics.windows import Corners, add, clear, read
from ptycho_torch.records import Scan

CACHE_BYTES = 512 * 2**20


class UpdateBatch(NamedTuple):
    """Patterns that are updated together: rows of the scan, the corners of their patches on the
    canvas, amplitudes `(B, N, N)` at unit flux, 0 where nothing was measured, and the sum of their squares, shifted
    probes and what turns a change of their waves into one of the object, both `(B, P, N, N)`, the background at unit
    flux, None for none, and the pixels that count, bool `(N, N)` or `(B, N, N)`, None for all."""

    rows: Tensor
    corners: Corners
    amplitude: Tensor
    probes: Tensor
    steps: Tensor
    energy: float
    background: Tensor | None
    valid: Tensor | None


@attrs.frozen(eq=False)
class Batches:
    """A scan in batches, for one probe and one set of positions; held in memory where all fit.

    probe `(P, N, N)`, on the device of the refinement; origin_yx `(2,)` int64: the scan pixel of the
    canvas's `[0, 0]`; shape: of the canvas; rows: the patterns of each batch; alpha: weight of the
    local illumination in the step; held_back: pixels `(N, N)` bool that do not count, in each pattern moved to other
    places by `frame_masks`. Another probe or other positions make another value.
    """

    scan: Scan
    probe: Tensor
    origin_yx: Tensor
    shape: tuple[int, int]
    rows: tuple[Tensor, ...]
    alpha: float
    held_back: Tensor | None = None

    @property
    def side(self) -> int:
        """The side of a pattern in px."""
        return self.probe.shape[-1]

    @property
    def corner_yx(self) -> Tensor:
        """The first pixel of each patch on the canvas, `(n, 2)` int64."""
        return patch_corners(self.scan.centre_yx, self.side, self.origin_yx)

    def read(self, numbers: Iterable[int]) -> Iterator[UpdateBatch]:
        """The batches of these numbers without their patterns of zeros; empty ones are left out."""
        for number in numbers:
            batch = self._make(self.rows[number]) if self._held is None else self._held[number]
            if batch is not None:
                yield batch

    @cached_property
    def _held(self) -> list[UpdateBatch | None] | None:
        per_pattern = self.side**2 * (16 * len(self.probe) + 4)
        if sum(map(len, self.rows)) * per_pattern > CACHE_BYTES:
            return None
        return [self._make(rows) for rows in self.rows]

    @cached_property
    def _window(self) -> Tensor:
        """A canvas of zeros to add illuminations up on."""
        return torch.zeros(self.shape, device=self.probe.device)

    def _make(self, rows: Tensor) -> UpdateBatch | None:
        device = self.probe.device
        amplitude, background = (None if part is None else part.to(device) for part in self.scan.measured(rows))
        assert amplitude is not None
        valid = None if self.scan.valid_pixels is None else self.scan.valid_pixels.to(device)
        if valid is not None:
            amplitude = amplitude * valid
        seen = amplitude.amax((-2, -1)) > 0
        if not bool(seen.all()):
            amplitude, rows = amplitude[seen], rows[seen.cpu()]
            background = background if background is None or background.ndim == 2 else background[seen]
        if len(rows) == 0:
            return None
        probes = frame_probes(self.scan, rows, self.probe)
        corners: Corners = self.corner_yx[rows].tolist()
        illumination = mode_sum_intensity(probes)
        add(self._window, illumination, corners)
        together = read(self._window, corners, self.side)
        clear(self._window, corners, self.side)
        floor = (1 - self.alpha) * float(illumination.max()) + self.alpha * together
        steps = probes.conj() / torch.maximum(together, floor).unsqueeze(1)
        energy = float(amplitude.square().sum())
        if self.held_back is not None:
            fitted = ~frame_masks(self.held_back, rows).to(device)
            valid = fitted if valid is None else valid & fitted
        return UpdateBatch(rows, corners, amplitude, probes, steps, energy, background, valid)


def frame_masks(mask: Tensor, rows: Tensor) -> Tensor:
    """A mask `(N, N)` moved, around the borders, to another place in each of the patterns `rows`: `(B, N, N)`."""
    return torch.stack([mask.roll((7 * row, 19 * row), (0, 1)) for row in rows.tolist()])
