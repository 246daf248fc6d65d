"""A comparison as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_torch.data.geometry import micrometres
from ptycho_torch.evaluation.compare import Comparison
from ptycho_torch.evaluation.fourier_ring import NYQUIST, ONE_SEVENTH, Resolution
from ptycho_torch.output.figures import Ruler, save_figure
from ptycho_torch.records import Geometry

_ROWS = {"mae": "MAE", "mse": "MSE", "psnr_db": "PSNR (dB)", "ssim": "SSIM", "ms_ssim": "MS-SSIM"}
_THRESHOLDS = {"half_bit": "half bit", "one_seventh": "1/7", "one_half": "1/2"}
_LONGEST_NAME = 28


def table(comparison: Comparison) -> str:
    """All figures of merit in aligned columns; a dash where there is none."""
    amplitude, phase = attrs.asdict(comparison.amplitude), attrs.asdict(comparison.phase)
    lines = [_row("", "amplitude", "phase (rad)")]
    lines += [_row(text, _number(amplitude[key]), _number(phase[key])) for key, text in _ROWS.items()]
    lines += ["", _row("ring correlation", "cycles/px", "half period")]
    lines += [
        _resolution_row(text, comparison.resolution[key], comparison.pixel_m) for key, text in _THRESHOLDS.items()
    ]
    height, width = comparison.phases.shape[1:]
    lines += ["", _row("contrast, detail", _number(comparison.contrast), _number(comparison.detail))]
    lines += [_row("moved (y, x) px", *(f"{shift:+.2f}" for shift in comparison.shift_yx))]
    lines += [_row("compared (y, x) px", str(height), str(width))]
    return "\n".join(lines)


def _row(name: str, first: str, second: str) -> str:
    return f"{name:<20}{first:>12}{second:>13}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _resolution_row(text: str, found: Resolution, pixel_m: float | None) -> str:
    bound = "<=" if found.frequency == NYQUIST else ""
    return _row(
        f"  below {text}",
        f"{bound.replace('<', '>')}{found.frequency:.3f}",
        "-" if found.half_period_px is None else f"{bound}{_length(found.half_period_px, pixel_m)}",
    )


def _length(px: float, pixel_m: float | None) -> str:
    return f"{px:.2f} px" if pixel_m is None else micrometres(px * pixel_m)


def draw_comparison(folder: Path, comparison: Comparison) -> None:
    """Write `comparison.png` into an existing folder: both amplitudes, both phases on one scale (1 and 99 %
    of the reference), their differences (99 %), the FRC with its thresholds, and the table.

    comparison: see `compare`. Raises OSError where the file cannot be written.
    """
    save_figure(folder / "comparison.png", comparison_figure(comparison))


def comparison_figure(comparison: Comparison) -> Figure:
    """The figure of a comparison, see `draw_comparison`."""
    figure = Figure(figsize=(18.5, 8.4), layout="constrained")
    grid = figure.subplots(2, 4, width_ratios=(1, 1, 1, 1.25))
    parts = (("Amplitude", comparison.amplitudes, "|O|"), ("Phase", comparison.phases, "arg O (rad)"))
    for row, (title, images, label) in zip(grid, parts, strict=True):
        low, high = np.percentile(images[1], (1, 99))
        for axes, image, name in zip(row[:2], images, comparison.names, strict=True):
            _show(axes, image, f"{title}\n{_short(name)}", label, (low, high), "gray", comparison.pixel_m)
        difference = images[0] - images[1]
        reach = max(float(np.percentile(np.abs(difference), 99)), 1e-6)
        _show(
            row[2],
            difference,
            f"{title}\ndifference, left - right",
            f"difference of {label}",
            (-reach, reach),
            "RdBu_r",
            comparison.pixel_m,
        )
    _draw_rings(grid[0, 3], comparison)
    grid[1, 3].axis("off")
    grid[1, 3].text(0, 0.97, table(comparison), family="monospace", va="top", fontsize=9)
    return figure


def draw_several(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write `comparison.png` into an existing folder: amplitudes, phases and errors of phase of all comparisons next to
    their reference, on one scale, and every FRC. Raises OSError where the file cannot be written."""
    figure = Figure(figsize=(3.6 * len(comparisons) + 7.6, 9.6), layout="constrained")
    grid = figure.subplots(3, len(comparisons) + 2, width_ratios=(1,) * (len(comparisons) + 1) + (1.3,))
    first = comparisons[0]
    amplitude, phase = (np.percentile(images[1], (1, 99)) for images in (first.amplitudes, first.phases))
    errors = [made.phases[0] - made.phases[1] for made in comparisons]
    reach = max(1e-6, *(float(np.percentile(np.abs(error), 99)) for error in errors))
    for column, made in zip(grid.T, comparisons, strict=False):
        name, pixel, error = _short(made.names[0]), made.pixel_m, made.phases[0] - made.phases[1]
        _show(column[0], made.amplitudes[0], f"Amplitude\n{name}", "|O|", tuple(amplitude), "gray", pixel)
        _show(column[1], made.phases[0], f"Phase\n{name}", "arg O (rad)", tuple(phase), "gray", pixel)
        _show(column[2], error, f"Error of phase\n{name}", "rad", (-reach, reach), "RdBu_r", pixel)
    truth, name, pixel = grid[:, -2], _short(first.names[1]), first.pixel_m
    _show(truth[0], first.amplitudes[1], f"Amplitude\n{name}", "|O|", tuple(amplitude), "gray", pixel)
    _show(truth[1], first.phases[1], f"Phase\n{name}", "arg O (rad)", tuple(phase), "gray", pixel)
    truth[2].axis("off")
    _draw_figures(grid[:, -1], comparisons)
    save_figure(folder / "comparison.png", figure)


def _draw_figures(column: Any, comparisons: Sequence[Comparison]) -> None:
    """Every ring correlation, and contrast and detail as bars."""
    rings, bars, rest = column
    for made in comparisons:
        shown = slice(1, int(np.searchsorted(made.rings.frequency, NYQUIST, side="right")))
        rings.plot(made.rings.frequency[shown], made.rings.correlation[shown], label=_short(made.names[0]))
    rings.axhline(ONE_SEVENTH, color="black", linestyle=":", label="1/7")
    rings.set(title="Fourier ring correlation", xlabel="spatial frequency (cycles/px)", ylim=(0, 1.02))
    rings.legend(fontsize="small")
    place = np.arange(len(comparisons))
    bars.barh(place - 0.2, [made.contrast for made in comparisons], 0.38, label="contrast")
    bars.barh(place + 0.2, [made.detail for made in comparisons], 0.38, label="detail")
    bars.set(
        title="1 is best", xlim=(0, 1.02), yticks=place, yticklabels=[_short(made.names[0]) for made in comparisons]
    )
    bars.invert_yaxis()
    bars.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    rest.axis("off")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else "..." + name[3 - _LONGEST_NAME :]


def _show(
    axes: Any,
    image: NDArray[Any],
    title: str,
    label: str,
    limits: tuple[float, float],
    colours: str,
    pixel_m: float | None,
) -> None:
    ruler = Ruler.of(None if pixel_m is None else Geometry((pixel_m, pixel_m), (0.0, 0.0)))
    extent = ruler.extent(-0.5, -0.5, image.shape[0] - 0.5, image.shape[1] - 0.5)
    low, high = limits
    drawn = axes.imshow(image, cmap=colours, vmin=low, vmax=high, interpolation="nearest", extent=extent)
    axes.set(title=title, **ruler.labels())
    axes.figure.colorbar(drawn, ax=axes, label=label, shrink=0.8)


def _draw_rings(axes: Any, comparison: Comparison) -> None:
    shown = slice(1, int(np.searchsorted(comparison.rings.frequency, NYQUIST, side="right")))
    frequency = comparison.rings.frequency[shown]
    axes.plot(frequency, comparison.rings.correlation[shown], color="black", label="correlation")
    axes.plot(frequency, comparison.half_bit[shown], "C1--", label="half bit")
    axes.axhline(ONE_SEVENTH, color="C0", linestyle=":", label="1/7")
    found = comparison.resolution["half_bit"]
    if found.half_period_px is not None and found.frequency < NYQUIST:
        length = _length(found.half_period_px, comparison.pixel_m)
        axes.axvline(found.frequency, color="C1", linewidth=0.8, label=f"half period {length}")
    axes.set(
        title="Fourier ring correlation",
        xlabel="spatial frequency (cycles/px)",
        ylabel="correlation",
        xlim=(0, NYQUIST),
        ylim=(0, 1.02),
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper left", bbox_to_anchor=(0.02, 0.92))
