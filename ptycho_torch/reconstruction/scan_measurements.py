"""The patterns of a whole scan, in batches, so that memory does not grow with their number."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ptycho_torch.nets.measurements import CanvasMap, PatternStep
from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.diffraction import mode_sum_intensity, shift_probe
from ptycho_torch.physics.patches import Footprints
from ptycho_torch.physics.tiles import map_in_tiles
from ptycho_torch.records import Scan

# The side of a tile, in px.
TILE = 512
# Memory for batches that are kept from one sum over the patterns to the next.
KEPT_BYTES = 256 * 2**20


class View(NamedTuple):
    """A batch of n patterns: their places on the canvas, probes `(n, P, N, N)`, amplitudes `(n, N, N)`."""

    footprints: Footprints
    probes: Tensor
    amplitude: Tensor


class ScanMeasurements:
    """`nets.measurements.Measurements` of chosen patterns of a scan on its canvas, without gradients.

    rows: indices `(n,)` of the patterns. probe: `(P, N, N)`, on `device`. batch_size: patterns at once.
    room: batches of up to this many bytes are kept for the next sum.
    """

    def __init__(
        self, scan: Scan, rows: Tensor, probe: Tensor, batch_size: int, device: torch.device, room: int = KEPT_BYTES
    ) -> None:
        self.scan, self.probe, self.device = scan, probe, device
        self.chunks = rows.split(batch_size)
        self.origin, self.height, self.width = canvas_of(scan.centre_yx, probe.shape[-1])
        flat = torch.ones(self.height, self.width, dtype=probe.dtype)
        self.initial = (flat if scan.initial is None else scan.initial).to(device)[None]
        self.valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
        self.total: Tensor | None = None
        self.illumination: Tensor | None = None
        self.kept: dict[tuple[int, ...], View] = {}
        self.room = room

    def view(self, rows: Tensor) -> View:
        """The patterns `(n,)`, computed or kept."""
        key = tuple(rows.tolist())
        if key in self.kept:
            return self.kept[key]
        side = self.probe.shape[-1]
        probes = shift_probe(self.probe, self.scan.fraction_yx[rows].to(self.device))
        corner = patch_corners(self.scan.centre_yx[rows], side, self.origin)
        footprints = Footprints(corner.to(self.device, probes.real.dtype), side, self.height, self.width)
        amplitude = self.scan.signal(rows).to(self.device)
        if self.scan.input_gain != 1.0:
            amplitude = amplitude * self.scan.input_gain
        view = View(footprints, probes, amplitude)
        size = footprints.nbytes + probes.nbytes + amplitude.nbytes
        if size <= self.room:
            self.kept[key] = view
            self.room -= size
        return view

    def sum_steps(self, object_: Tensor, step: PatternStep) -> tuple[Tensor, Tensor]:
        """As `Measurements.sum_steps`; the illumination is summed the first time."""
        first = self.illumination is None
        total = torch.zeros_like(object_) if self.total is None else self.total.zero_()
        illumination = torch.zeros_like(object_.real) if self.illumination is None else self.illumination
        for rows in self.chunks:
            footprints, probes, amplitude = self.view(rows)
            footprints.add(total[0], step(footprints.cut(object_[0]), probes, amplitude, self.valid_pixels))
            if first:
                footprints.add(illumination[0], mode_sum_intensity(probes))
        self.total, self.illumination = total, illumination
        return total, illumination

    def map_canvases(self, function: CanvasMap, canvases: Sequence[Tensor], reach: int, multiple: int) -> Tensor:
        """As `Measurements.map_canvases`, in tiles of `TILE` px."""
        return map_in_tiles(function, canvases, reach, multiple, TILE)
