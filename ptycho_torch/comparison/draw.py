"""A picture of a comparison."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ptycho_torch.comparison.compare import Comparison
from ptycho_torch.comparison.fourier_ring import ONE_SEVENTH, half_bit
from ptycho_torch.comparison.similarity import wrapped
from ptycho_torch.files import replacing


def _show(
    axes: Any, image: NDArray[Any], title: str, label: str, limits: tuple[float, float], cmap: str
) -> None:
    drawn = axes.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set(title=title, xlabel="x (px)", ylabel="y (px)")
    axes.figure.colorbar(drawn, ax=axes, label=label, shrink=0.8)


def draw_comparison(path: Path, made: Comparison, names: tuple[str, str]) -> None:
    """Amplitudes, phases and their differences side by side, and the ring correlation with both
    thresholds. Differences are drawn over the range of their 99th percentile."""
    figure = Figure(figsize=(16, 8.2), layout="constrained")
    grid = figure.subplots(2, 4)
    level = np.conj(made.reference.mean()) / abs(made.reference.mean())
    parts = {
        "Amplitude": (np.abs(made.image), np.abs(made.reference), "|O|"),
        "Phase": (np.angle(made.image * level), np.angle(made.reference * level), "arg O (rad)"),
    }
    for row, (title, (image, reference, label)) in zip(grid, parts.items(), strict=True):
        low, high = np.percentile(reference, (1, 99))
        _show(row[0], image, f"{title}: {names[0]}", label, (low, high), "gray")
        _show(row[1], reference, f"{title}: {names[1]}", label, (low, high), "gray")
        difference = wrapped(image - reference) if title == "Phase" else image - reference
        reach = max(float(np.percentile(np.abs(difference), 99)), 1e-6)
        _show(row[2], difference, "difference", label, (-reach, reach), "RdBu_r")
    _draw_rings(grid[0, 3], made)
    _draw_figures(grid[1, 3], made)
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _draw_rings(axes: Any, made: Comparison) -> None:
    kept = made.rings.frequency <= 0.5
    frequency = made.rings.frequency[kept]
    axes.plot(frequency, made.rings.correlation[kept], label="correlation")
    axes.plot(frequency[1:], half_bit(made.rings.count[kept][1:]), "--", label="half bit")
    axes.axhline(ONE_SEVENTH, color="gray", linestyle=":", label="1/7")
    axes.set(title="Fourier ring correlation", xlabel="frequency (1/px)", ylim=(0, 1.02), xlim=(0, 0.5))
    axes.legend()


def _draw_figures(axes: Any, made: Comparison) -> None:
    axes.axis("off")
    axes.text(0, 1, table(made), family="monospace", va="top", fontsize=8.5)


def table(made: Comparison) -> str:
    """All figures, one a line; a dash where there is none."""
    rows: dict[str, Any] = {name: made.figures[name] for name in ("contrast", "detail")}
    for part in ("amplitude", "phase"):
        rows |= {f"{part} {key}": value for key, value in made.figures[part].items()}
    rows |= {f"half period {key} (px)": value for key, value in made.figures["resolution_px"].items()}
    rows |= dict(zip(("shift y (px)", "shift x (px)"), made.figures["shift_yx"], strict=True))
    texts = {key: "-" if value is None else f"{value:.4f}" for key, value in rows.items()}
    return "\n".join(f"{key:29}{text:>9}" for key, text in texts.items())
