"""Patterns that show one object: all that a network on objects needs to know of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from ptycho_config.schema.networks import Sees
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.patches import Footprints, merge_footprints

# From patches (..., N, N), probes (..., P, N, N), amplitudes (..., N, N) and valid pixels (N, N) or None to
# what each pattern adds to the object, (..., N, N) complex; for example physics.projection.back_project.
PatternStep = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
CanvasMap = Callable[..., Tensor]


class Measurements(Protocol):
    """The patterns of B clusters, or of one whole scan (B = 1), each looking at an object `(H, W)`."""

    @property
    def initial(self) -> Tensor:
        """The first guess of the objects, `(B, H, W)` complex64."""

    def sum_steps(self, object_: Tensor, step: PatternStep) -> tuple[Tensor, Tensor]:
        """`sum_j step_j(r - c_j)` and the illumination `sum_j sum_p |P_jp(r - c_j)|^2` of objects.

        object_: `(B, H, W)` complex. Both results are `(B, H, W)`, complex and real; the next call may
        overwrite the first.
        """

    def map_canvases(self, function: CanvasMap, canvases: Sequence[Tensor], reach: int, multiple: int) -> Tensor:
        """`function(*canvases)`, in tiles where the canvases are large.

        canvases: each `(B, H, W)`, as the result. reach: the largest distance in px over which a pixel of the result
        depends on the canvases. multiple: the function is translation invariant by this number of px.
        """


class ClusterMeasurements:
    """All patterns of clusters at once, with gradients.

    Arguments as in `nets.network.Network`.
    """

    def __init__(
        self, amplitude: Tensor, probe: Tensor, initial: Tensor, centre_yx: Tensor, valid_pixels: Tensor | None
    ) -> None:
        self.amplitude, self.probe, self.valid_pixels = amplitude, probe, valid_pixels
        side = amplitude.shape[-1]
        # The first patch of a cluster begins at pixel 0 of its object.
        first = patch_corners(centre_yx.amin(dim=1, keepdim=True), side)
        corner = patch_corners(centre_yx, side, first)
        height, width = (side + reach for reach in corner.flatten(0, 1).amax(dim=0).tolist())
        self.footprints = Footprints(corner.to(amplitude.dtype), side, height, width)
        self.initial = merge_footprints(initial, torch.ones_like(amplitude), self.footprints)
        self.illumination = self.footprints.place(mode_sum_intensity(probe))

    def sum_steps(self, object_: Tensor, step: PatternStep) -> tuple[Tensor, Tensor]:
        """As `Measurements.sum_steps`."""
        steps = step(self.footprints.cut(object_), self.probe, self.amplitude, self.valid_pixels)
        return self.footprints.place(steps), self.illumination

    def map_canvases(self, function: CanvasMap, canvases: Sequence[Tensor], reach: int, multiple: int) -> Tensor:  # noqa: ARG002 - clusters are small
        """As `Measurements.map_canvases`, as a whole."""
        return function(*canvases)


class ObjectNet(nn.Module, ABC):
    """Base of networks that see one object; a subclass has `reconstruct`, which serves clusters and scans."""

    sees: ClassVar[Sees] = "object"
    fixes_scale: ClassVar[bool] = True

    @abstractmethod
    def reconstruct(self, measured: Measurements) -> Tensor:
        """The object `(B, H, W)` that measurements show."""

    def forward(
        self, amplitude: Tensor, probe: Tensor, initial: Tensor, centre_yx: Tensor, valid_pixels: Tensor | None = None
    ) -> Tensor:
        """Clusters of patterns to patches of their objects, as `nets.network.Network`."""
        measured = ClusterMeasurements(amplitude, probe, initial, centre_yx, valid_pixels)
        return measured.footprints.cut(self.reconstruct(measured))
