"""Apply a trained network to a scan and stitch what it says, batch by batch."""

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ptycho_config import StitchOptions
from ptycho_torch.nets import UnrolledNet
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.physics.canvas import canvas_of, initial_patches
from ptycho_torch.physics.diffraction import mode_sum_intensity, shift_probe
from ptycho_torch.physics.overlap import merge_weights
from ptycho_torch.physics.patches import Footprints, cut
from ptycho_torch.physics.projection import back_project
from ptycho_torch.physics.varpro import Moments, moments, solve
from ptycho_torch.reconstruction.stitch import Stitcher
from ptycho_torch.records import Batch, Canvas, Prediction, Scan

# The side of the tiles, in px, in which a network moves an object that is larger.
TILE = 512
Progress = Callable[[int], object]
Seen = Callable[[Tensor], object]
# Memory for what every stage of a network that works on the object itself looks at again.
KEPT_BYTES = 256 * 2**20


def predict(
    model: Reconstructor, scan: Scan, groups: Tensor, batch_size: int, device: torch.device
) -> Iterator[tuple[Tensor, Prediction]]:
    """`(groups, Prediction)` for chosen groups of patterns `(M, C)`, on `device`, without gradients.

    A network that works on the object itself sees all chosen patterns as one cluster.
    """
    model = model.to(device).eval()
    if isinstance(model.network, UnrolledNet):
        yield from _predict_stitched(model, model.network, scan, groups, batch_size, device)
        return
    for chunk in groups.split(batch_size):
        initial = initial_patches(scan, chunk)
        batch = Batch(
            amplitude=scan.amplitude[chunk].to(device),
            probe=scan.probe.to(device),
            centre_yx=scan.centre_yx[chunk].to(device),
            fraction_yx=scan.fraction_yx[chunk].to(device),
            merged=chunk.shape[1],
            valid_pixels=None if scan.valid_pixels is None else scan.valid_pixels.to(device),
            gain=scan.input_gain,
            initial=None if initial is None else initial.to(device),
        )
        with torch.inference_mode():
            yield chunk, model(batch)


def _predict_stitched(
    model: Reconstructor,
    network: UnrolledNet,
    scan: Scan,
    groups: Tensor,
    batch_size: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, Prediction]]:
    whole = _WholeScan(scan, model.probe(scan.probe.to(device)), batch_size, device)
    with torch.inference_mode():
        object_ = model.scale(whole.unrolled(network, groups.unique()))
        for chunk in groups.split(batch_size):
            view = whole.view(chunk.flatten())
            patches = view.footprints.cut(object_)
            yield chunk, Prediction(patches.unflatten(0, chunk.shape), view.probes.unflatten(0, chunk.shape))


class _View(NamedTuple):
    """What patterns `(n,)` see: their places on the canvas, probes `(n, P, N, N)`, amplitudes `(n, N, N)`."""

    footprints: Footprints
    probes: Tensor
    amplitude: Tensor


class _WholeScan:
    """A scan on its canvas, looked at in batches, so that memory does not grow with the patterns.

    Every stage looks at the same batches: as many as fit into `room` bytes are kept for the next.
    """

    def __init__(
        self, scan: Scan, probe: Tensor, batch_size: int, device: torch.device, room: int = KEPT_BYTES
    ) -> None:
        self.scan, self.batch_size, self.device = scan, batch_size, device
        self.origin, self.height, self.width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
        self.probe = probe
        self.valid_pixels = None if scan.valid_pixels is None else scan.valid_pixels.to(device)
        self.kept: dict[tuple[int, ...], _View] = {}
        self.room = room

    def view(self, rows: Tensor) -> _View:
        """What patterns `(n,)` see, found anew or kept."""
        key = tuple(rows.tolist())
        if key in self.kept:
            return self.kept[key]
        side = self.probe.shape[-1]
        corner = self.scan.centre_yx[rows] - side // 2 - self.origin
        probes = shift_probe(self.probe, self.scan.fraction_yx[rows].to(self.device))
        corner = corner.to(self.device, probes.real.dtype)
        footprints = Footprints(corner, side, self.height, self.width)
        view = _View(footprints, probes, self.scan.amplitude[rows].to(self.device))
        size = footprints.nbytes + probes.nbytes + view.amplitude.nbytes
        if size <= self.room:
            self.kept[key] = view
            self.room -= size
        return view

    def unrolled(self, network: UnrolledNet, rows: Tensor) -> Tensor:
        """The object `(H, W)` after all stages of the network, from patterns `rows`."""
        start = self.scan.initial
        empty = torch.ones(self.height, self.width, dtype=self.probe.dtype)
        object_ = (empty if start is None else start.clone()).to(self.device)[None]
        velocity, proposed = torch.zeros_like(object_), torch.empty_like(object_)
        illumination = torch.zeros_like(object_.real)
        for stage in range(len(network.corrections)):
            proposed.zero_()
            for chunk in rows.split(self.batch_size):
                view = self.view(chunk)
                patches = view.footprints.cut(object_[0])
                step = back_project(patches, view.probes, view.amplitude, self.valid_pixels)
                view.footprints.add(proposed[0], step)
                if stage == 0:
                    view.footprints.add(illumination[0], mode_sum_intensity(view.probes))
            velocity = movement_in_tiles(network, stage, (object_, velocity, proposed, illumination))
            object_ += velocity
        return object_[0]


def movement_in_tiles(
    network: UnrolledNet,
    stage: int,
    canvases: tuple[Tensor, Tensor, Tensor, Tensor],
    tile: int = TILE,
) -> Tensor:
    """`StitchedNet.movement` of (object, velocity, summed steps, illumination), `(1, H, W)` each, by tiles
    of `tile` px a side, each with as much around it as the network looks at, so that its features do not
    grow with the object."""
    object_, _, _, illumination = canvases
    around = network.reach
    moved = torch.empty_like(object_)
    peak = illumination.amax(dim=(-2, -1), keepdim=True)
    height, width = object_.shape[-2:]
    step = max(tile // network.multiple, 1) * network.multiple
    for top in range(0, height, step):
        for left in range(0, width, step):
            y, x = max(top - around, 0), max(left - around, 0)
            rows, columns = slice(y, top + step + around), slice(x, left + step + around)
            seen = [canvas[:, rows, columns] for canvas in canvases]
            found = network.movement(stage, seen[0], seen[1], seen[2], seen[3], peak)
            here = moved[:, top : top + step, left : left + step]
            here.copy_(found[:, top - y :, left - x :][:, : here.shape[1], : here.shape[2]])
    return moved


def stitch_weights(probes: Tensor, weighting: Literal["probe", "uniform"], trim: int) -> Tensor:
    """Weight of each pixel of a patch, `(B, P, N, N)` to `(B, N, N)`: its illumination or 1, and 0
    outside the central `trim` px, where trim is not 0; it is at most N."""
    weights = merge_weights(probes, weighting)
    side = weights.shape[-1]
    if trim:
        centre = torch.zeros(side, device=weights.device)
        centre[side // 2 - trim // 2 : side // 2 - trim // 2 + trim] = 1.0
        weights = weights * centre[:, None] * centre
    return weights


def reconstruct_scan(
    model: Reconstructor,
    scan: Scan,
    groups: Tensor,
    *,
    batch_size: int,
    stitch: StitchOptions,
    trim: int,
    device: torch.device,
    progress: Progress,
    seen: Seen = lambda _: None,
) -> Canvas:
    """Patches of the chosen groups `(M, C)`, weighted and added where they belong; in the units of
    the dataset. `progress` is told the number of groups of each finished batch, `seen` is shown its
    patches `(B, C, N, N)`."""
    stitcher = Stitcher(scan.centre_yx, scan.probe.shape[-1], device)
    for chunk, (patches, probes) in predict(model, scan, groups, batch_size, device):
        weights = stitch_weights(probes.flatten(0, 1), stitch.patch_weighting, trim)
        centre = scan.centre_yx[chunk.flatten()].to(device)
        stitcher.add(patches.flatten(0, 1), weights, centre)
        seen(patches)
        progress(len(chunk))
    return stitcher.canvas(stitch.illumination_floor, scan.object_scale)


def fit_scales(scan: Scan, canvas: Canvas, batch_size: int) -> tuple[float, float]:
    """The factors of real and imaginary part with which the canvas explains the scan best
    (`physics.varpro`), over all patterns. Raises ValueError where none does."""
    object_ = torch.from_numpy(canvas.object) / scan.object_scale
    origin = torch.tensor(canvas.origin_yx)
    side = scan.probe.shape[-1]
    total: Moments | None = None
    for chunk in torch.arange(len(scan.centre_yx)).split(batch_size):
        corner = scan.centre_yx[chunk] - side // 2 - origin
        patches = cut(object_, corner.to(torch.float32), side)
        probes = shift_probe(scan.probe, scan.fraction_yx[chunk])
        part = moments(patches, probes, scan.amplitude[chunk].square(), scan.valid_pixels)
        total = part if total is None else total + part
    assert total is not None
    return solve(total)


def scale_real_and_imaginary(canvas: Canvas, s1: float, s2: float) -> Canvas:
    """`s1 Re O + i s2 Im O`."""
    object_ = (s1 * canvas.object.real + 1j * s2 * canvas.object.imag).astype(canvas.object.dtype)
    return Canvas(object_, canvas.illumination, canvas.origin_yx)


class PatchStatistics:
    """Mean and spread of the patches of each batch, of the first `limit` batches."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.rows: list[dict[str, float]] = []

    def __call__(self, patches: Tensor) -> None:
        """Look at patches `(B, C, N, N)`; phases relative to the mean of the batch, in rad."""
        if self.limit is not None and len(self.rows) >= self.limit:
            return
        amplitude, phase = patches.abs(), torch.angle(patches * patches.mean().conj())
        self.rows.append(
            {
                "amplitude_mean": float(amplitude.mean()),
                "amplitude_std": float(amplitude.std()),
                "amplitude_min": float(amplitude.min()),
                "amplitude_max": float(amplitude.max()),
                "phase_std": float(phase.std()),
            }
        )


def pad_canvas(canvas: Canvas, border: int) -> Canvas:
    """The canvas with `border` px of vacuum around it, of the mean modulus where light fell."""
    lit = canvas.illumination > 0
    level = np.abs(canvas.object[lit]).mean() if lit.any() else 1.0
    object_ = np.pad(canvas.object, border, constant_values=np.complex64(level))
    y, x = canvas.origin_yx
    return Canvas(object_, np.pad(canvas.illumination, border), (y - border, x - border))


def place_on_array(canvas: Canvas, shape: tuple[int, int]) -> NDArray[np.complex64]:
    """The canvas on an array `(H, W)` whose `[0, 0]` is object pixel (0, 0); where no light fell,
    vacuum of the mean modulus and phase of what was seen."""
    lit = canvas.illumination > 0
    seen = canvas.object[lit]
    level = np.complex64(np.abs(seen).mean() * np.exp(1j * np.angle(seen.mean()))) if seen.size else 1.0
    whole = np.full(shape, level, np.complex64)
    edges = list(zip(canvas.origin_yx, canvas.object.shape, shape, strict=True))
    into = tuple(slice(max(start, 0), min(start + length, size)) for start, length, size in edges)
    part = tuple(slice(i.start - o, i.stop - o) for i, o in zip(into, canvas.origin_yx, strict=True))
    whole[into] = np.where(lit, canvas.object, level)[part]
    return whole
