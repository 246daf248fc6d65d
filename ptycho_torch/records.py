"""The nouns of the pipeline, each a frozen record, in the order the data flows.

Shapes: n patterns, B groups, C members of a group, S patterns of a cluster (members and
partners), P probe modes, N side of a pattern. Positions are object pixels as (y, x).
"""

from typing import Any, NamedTuple, Protocol

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Patterns(Protocol):
    """Intensities `(n, N, N)` float32: an array, or what reads like one from a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> NDArray[np.float32]: ...


class Amplitudes(Protocol):
    """Amplitudes `(n, N, N)` by an index tensor: a tensor, or what reads like one from a file."""

    @property
    def shape(self) -> Any: ...  # noqa: D102
    def __getitem__(self, rows: Any, /) -> Tensor: ...


@attrs.frozen
class Geometry:
    """The place of object pixels in the laboratory: `position_m = origin_m + position_px * pixel_m`.

    pixel_m, origin_m: (y, x) in m, origin_m is the place of position 0 px; photon_energy_ev in eV;
    distance_m from sample to detector; detector_pixel_m (y, x). The last three None where not known.
    """

    pixel_m: tuple[float, float]
    origin_m: tuple[float, float]
    photon_energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: tuple[float, float] | None = None


@attrs.frozen(eq=False)
class ChosenPatterns:
    """Some of the patterns, those of sorted rows int64, read when they are indexed."""

    patterns: Patterns
    rows: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """`(n, N, N)`."""
        return len(self.rows), *self.patterns.shape[1:]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any, /) -> NDArray[np.float32]:
        return self.patterns[self.rows[rows]]


@attrs.frozen(eq=False, repr=False)
class Dataset:
    """A scan as read from a file.

    intensity `(n, N, N)` float32, zero frequency at `[N/2, N/2]`, in counts or in the square of the file's amplitude
    unit; position_yx `(n, 2)` float64, patch centres; probe `(P, N, N)` complex64 in the square root of the unit of
    intensity; label `(n, N, N)` complex64, the object patch of each pattern, where the file has them; valid_pixels
    `(N, N)` bool, True where the detector measured (elsewhere intensity is 0), None for all; geometry where the file
    knows metres; squared: the file holds amplitudes, whose squares intensity is; probe_known: False where the file has
    no probe and none was retrieved: this one is of the mean pattern in focus; flux `(n,)`, relative, and background
    `(N, N)` in the unit of intensity, as estimated: `I_j = flux_j |far field|^2 + background`, None for 1 and for 0;
    components `(K, N, N)` complex64 in the unit of the probe and weights `(n, K)` float32, as estimated: the first mode
    of pattern j is `P + sum_k w_jk C_k`, None for a probe that does not vary.
    """

    name: str
    intensity: Patterns
    position_yx: NDArray[np.float64]
    probe: NDArray[np.complex64]
    label: NDArray[np.complex64] | None = None
    valid_pixels: NDArray[np.bool_] | None = None
    geometry: Geometry | None = None
    squared: bool = False
    probe_known: bool = True
    flux: NDArray[np.float64] | None = None
    background: NDArray[np.float32] | None = None
    components: NDArray[np.complex64] | None = None
    weights: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        count, side, modes = len(self.position_yx), self.probe.shape[-1], len(self.probe)
        probe = f"probe of {modes} mode{'s' * (modes != 1)}" if self.probe_known else "probe not known"
        return f"<Dataset {self.name}: {count} patterns of {side} x {side} px, {probe}>"

    @property
    def pixel_m(self) -> tuple[float, float] | None:
        """The pixel of the object (y, x) in m, where the file knows it."""
        return None if self.geometry is None else self.geometry.pixel_m

    def select(self, rows: NDArray[np.int64]) -> "Dataset":
        """The same scan with some of its patterns: sorted rows int64."""
        stored = self.intensity
        intensity = stored[rows] if isinstance(stored, np.ndarray) else ChosenPatterns(stored, rows)
        label = None if self.label is None else self.label[rows]
        flux = None if self.flux is None else self.flux[rows]
        weights = None if self.weights is None else self.weights[rows]
        return attrs.evolve(
            self, intensity=intensity, position_yx=self.position_yx[rows], label=label, flux=flux, weights=weights
        )


@attrs.frozen(eq=False, repr=False)
class Scan:
    """A dataset in the units of the network: unit mean intensity per pixel, `sum|P|^2 = N^2`.

    amplitude `(n, N, N)` float32 in FFT order; probe `(P, N, N)` complex64; each position is an integer pixel
    `centre_yx` `(n, 2)` int64 plus `fraction_yx` in [-0.5, 0.5]. An object of this scan times `object_scale` is the
    object of the dataset, whose probe times `probe_factor` is the probe of this scan; valid_pixels `(N, N)` bool in FFT
    order, True where the detector measured, None for all. A network is shown `input_gain` times the amplitude; label
    `(n, N, N)` complex64 is in the units of this scan; initial `(H, W)` complex64 is a first guess of the object on the
    canvas of the scan, or None; flux `(n,)`, background `(N, N)` float32 in FFT order, components and weights as in
    Dataset, in the units of this scan; geometry as in Dataset.
    """

    amplitude: Amplitudes
    probe: Tensor
    centre_yx: Tensor
    fraction_yx: Tensor
    object_scale: float
    probe_factor: float = 1.0
    input_gain: float = 1.0
    valid_pixels: Tensor | None = None
    label: Tensor | None = None
    initial: Tensor | None = None
    flux: Tensor | None = None
    background: Tensor | None = None
    components: Tensor | None = None
    weights: Tensor | None = None
    geometry: Geometry | None = None

    def __repr__(self) -> str:
        side = self.probe.shape[-1]
        return f"<Scan of {len(self.centre_yx)} patterns of {side} x {side} px, {len(self.probe)} probe modes>"

    @property
    def position_yx(self) -> Tensor:
        """`(n, 2)` float64, in pixels of the dataset."""
        return self.centre_yx + self.fraction_yx.double()

    def measured(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Amplitude `(..., N, N)` and background, None for none, of patterns `(...)` as unit flux would give them."""
        amplitude, background = self.amplitude[rows], self.background
        if self.flux is None:
            return amplitude, background
        factor = self.flux[rows].rsqrt()[..., None, None]
        return amplitude * factor, None if background is None else background * factor.square()

    def signal(self, rows: Tensor) -> Tensor:
        """The amplitude `(..., N, N)` of patterns `(...)` at unit flux without background, 0 where that is more."""
        amplitude, background = self.measured(rows)
        if background is None:
            return amplitude
        return amplitude.square().sub_(background).clamp_min_(0).sqrt_()


@attrs.frozen(eq=False)
class Groups:
    """The patterns that go together: members `(B, C)` and candidate partners `(B, K)`, int64.

    left_out: patterns that could have been centres but have too few neighbours.
    """

    members: NDArray[np.int64]
    neighbours: NDArray[np.int64]
    left_out: int = 0


class Batch(NamedTuple):
    """Clusters of neighbouring patterns of one scan; the first `merged` of each are a group.

    amplitude `(B, S, N, N)`, probe `(P, N, N)`, centre_yx `(B, S, 2)` int64, fraction_yx `(B, S, 2)` float32, label and
    initial `(B, S, N, N)` complex64 or None; valid_pixels as in Scan. gain: the scan's `input_gain`; weight: of this
    share of a batch in the mean over all shares; whole: the clusters of the batch in all shares together; shown
    `(P, N, N)`: the probe that the network sees, None for that of the batch.
    """

    amplitude: Tensor
    probe: Tensor
    centre_yx: Tensor
    fraction_yx: Tensor
    merged: int
    label: Tensor | None = None
    valid_pixels: Tensor | None = None
    gain: float = 1.0
    weight: float = 1.0
    whole: int = 0
    initial: Tensor | None = None
    shown: Tensor | None = None


class Prediction(NamedTuple):
    """Patches `(B, S, N, N)` complex64 with the probes `(B, S, P, N, N)` that illuminate them."""

    patches: Tensor
    probes: Tensor


@attrs.frozen(eq=False, repr=False)
class Canvas:
    """A stitched object: values `(H, W)` complex64, summed illumination `(H, W)` float32, and
    `origin_yx`, the object pixel of element `[0, 0]`."""

    object: NDArray[np.complex64]
    illumination: NDArray[np.float32]
    origin_yx: tuple[int, int]

    def __repr__(self) -> str:
        height, width = self.object.shape
        return f"<Canvas of {height} x {width} px from scan pixel {self.origin_yx}>"


@attrs.frozen(eq=False)
class Refined:
    """A refined object with what belongs to it: the object `(H, W)` complex64 in network units and
    `origin_yx`, the scan pixel of its `[0, 0]`; the scan with the probe and the positions that belong to
    it; history: R of each pass, every pattern before its update."""

    object: Tensor
    origin_yx: tuple[int, int]
    scan: Scan
    history: tuple[float, ...]
