"""Pictures of a reconstruction, drawn without any global plotting state."""

from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from ptycho_torch.files import atomic_write
from ptycho_torch.output.run_records import Losses
from ptycho_torch.records import Canvas, Geometry

_ILLUMINATED = 0.05
# More than the pixels of a picture along an axis.
_PICTURE_PX = 1024
_DECADE = 10
Box = tuple[slice, slice]


def illuminated_box(canvas: Canvas, window: int = 0) -> Box:
    """The box of the canvas with over 5 % of its largest illumination, less `window` px at each border
    unless nothing would remain."""
    illuminated = canvas.illumination > _ILLUMINATED * canvas.illumination.max()
    rows, columns = (_inner(np.flatnonzero(illuminated.any(axis=axis)), window) for axis in (1, 0))
    return rows, columns


def _inner(index: NDArray[np.int64], window: int) -> slice:
    start, stop = int(index[0]) + window, int(index[-1]) + 1 - window
    return slice(start, stop) if start < stop else slice(int(index[0]), int(index[-1]) + 1)


def amplitude_and_phase(canvas: Canvas, box: Box) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`|O|` and `arg O` in rad over a box of a canvas, without the mean phase and the mean slope, which
    ptychography hardly determines and which would hide the rest."""
    weight = canvas.illumination[box]
    object_ = _level(canvas.object[box], weight)
    mean = (weight * object_).sum()
    object_ *= np.conj(mean) / abs(mean)
    return np.abs(object_), np.angle(object_)


def _level(object_: NDArray[np.complex64], weight: NDArray[np.float32]) -> NDArray[np.complex64]:
    """`O exp(-i s . r)` with s the phase of the mean product of neighbours along each axis."""
    weighted = weight * object_
    level = object_.copy()
    for one, flat in ((weighted, level), (weighted.T, level.T)):
        # Line by line: an object may be most of the memory there is.
        slope = np.angle(sum(np.vdot(line, following) for line, following in pairwise(one)))
        phasor = np.exp(-1j * slope * np.arange(len(flat))).astype(np.complex64)
        np.multiply(flat, phasor[:, None], out=flat)
    return level


def save_figure(path: Path, figure: Figure) -> None:
    """Write a matplotlib figure to a path as PNG. Raises OSError where that cannot be written."""
    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


@attrs.frozen
class Ruler:
    """The places of pixels of a scan along an axis, for people: micrometres where its geometry is known.

    unit; pixel, origin: (y, x) of a pixel, and of position 0, in that unit.
    """

    unit: str = "px"
    pixel: tuple[float, float] = (1.0, 1.0)
    origin: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, geometry: Geometry | None) -> "Ruler":
        """The ruler of a scan with a geometry, or of one without."""
        if geometry is None:
            return cls()
        (height, width), (y, x) = geometry.pixel_m, geometry.origin_m
        return cls("\N{MICRO SIGN}m", (1e6 * height, 1e6 * width), (1e6 * y, 1e6 * x))

    def extent(self, top: float, left: float, bottom: float, right: float) -> tuple[float, float, float, float]:
        """The `(left, right, bottom, top)` of matplotlib for the edges of an image in pixels of the scan."""
        (height, width), (y, x) = self.pixel, self.origin
        return x + left * width, x + right * width, y + bottom * height, y + top * height

    def labels(self) -> dict[str, str]:
        """The labels of both axes."""
        return {"xlabel": f"x ({self.unit})", "ylabel": f"y ({self.unit})"}


def image_figure(
    image: NDArray[np.float32], box: Box, origin_yx: tuple[int, int], title: str, label: str, ruler: Ruler
) -> Figure:
    """An image `(H, W)` of a box of a canvas with an origin_yx, under a title, with the label of its colours, along a
    ruler."""
    (rows, columns), (y, x) = box, (origin - 0.5 for origin in origin_yx)
    extent = ruler.extent(rows.start + y, columns.start + x, rows.stop + y, columns.stop + x)
    # What is finer than the picture is not drawn.
    every = -(-max(image.shape) // _PICTURE_PX)
    image = image[::every, ::every]
    low, high = np.percentile(image, (1, 99))
    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    axes = figure.add_subplot(title=title, **ruler.labels())
    drawn = axes.imshow(image, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    figure.colorbar(drawn, ax=axes, label=label, shrink=0.85)
    return figure


def draw_object(folder: Path, canvas: Canvas, window: int = 0, geometry: Geometry | None = None) -> None:
    """Write `amplitude.png` and `phase.png` of a canvas into an existing folder, on the coordinates of the
    scan, in micrometres where its geometry is known, clipped at 1 and 99 %, without `window` px at each border."""
    box = illuminated_box(canvas, window)
    amplitude, phase = amplitude_and_phase(canvas, box)
    named = {"amplitude": (amplitude, "Amplitude", "|O|"), "phase": (phase, "Phase, mean slope removed", "arg O (rad)")}
    for name, (image, title, label) in named.items():
        figure = image_figure(image, box, canvas.origin_yx, title, label, Ruler.of(geometry))
        save_figure(folder / f"{name}.png", figure)


def draw_losses(folder: Path, history: Losses) -> None:
    """Write `loss.png` into an existing folder: every loss of the history, by name, over the epochs."""
    save_figure(folder / "loss.png", loss_figure(history))


def loss_figure(history: Losses) -> Figure:
    """The losses of a history, by name, over the epochs from 1; logarithmic where all are positive and span
    a decade."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot(title="Loss", xlabel="epoch", ylabel="loss")
    named = attrs.asdict(history)
    for name, values in named.items():
        if values:
            axes.plot(np.arange(1, len(values) + 1), values, marker=".", label=name)
    losses = [value for values in named.values() for value in values]
    span = max(losses) / min(losses) if losses and all(value > 0 for value in losses) else 1.0
    if span >= _DECADE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if span < _DECADE**4 else (1,)))
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    return figure


def _plain(value: float, _: int) -> str:
    """A tick without exponent: 0.002, 1500."""
    # Ticks are powers of ten times a digit, with the rounding errors of both.
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def draw_patches(path: Path, patches: NDArray[np.complex64], title: str) -> None:
    """Write a PNG to path: amplitudes above phases of patches `(K, N, N)`, one column each, under a title."""
    figure = Figure(figsize=(1.6 * len(patches), 3.6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(2, len(patches), squeeze=False)
    for column, patch in enumerate(patches):
        for row, image in enumerate((np.abs(patch), np.angle(patch * np.conj(patch.sum())))):
            axes[row, column].imshow(image, cmap="gray", interpolation="nearest")
            axes[row, column].set_axis_off()
    save_figure(path, figure)


def picture(path: Path) -> NDArray[np.float32]:
    """The PNG at path as `(height, width, 3)` float32 in [0, 1]."""
    return imread(path)[..., :3]
