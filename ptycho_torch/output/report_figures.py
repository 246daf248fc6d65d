"""The figures of a report: pictures with their scale, maps of the scan, curves, measured and modelled patterns."""

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.judgement.fit import Fit, modelled_frames
from ptycho_torch.output.line_chart import Series, line_chart
from ptycho_torch.output.object_pictures import illuminated_box, object_pictures
from ptycho_torch.output.picture_frame import bar_length
from ptycho_torch.output.pictures import Picture, css_colours, limits_of, palette, reduce_image
from ptycho_torch.records import Canvas, Dataset, Scan

# More dots than a picture has room for.
_MOST_DOTS = 20_000
# The path between more of them would hide the object.
_MOST_JOINED = 300
_CLASSES = 16
_MOST_POINTS = 500
_MOST_MODES = 6
_FAINT, _DARK = 0.1, 0.05
_DECADES = 4


@attrs.frozen
class Figure:
    """A figure of a report.

    title, caption: plain text; address: of the image, empty for a chart; drawing: SVG, in the pixels of the image where
    there is one; bar, bar_text: length of the scale bar in shares of the width, 0 for none, and its text; colours:
    stops of a gradient, empty for none, with low, high and unit as text.
    """

    title: str
    caption: str = ""
    address: str = ""
    drawing: str = ""
    bar: float = 0.0
    bar_text: str = ""
    colours: str = ""
    low: str = ""
    high: str = ""
    unit: str = ""


def picture_figure(
    title: str,
    picture: Picture,
    caption: str = "",
    *,
    pixel_m: float | None = None,
    bar: bool = True,
    drawing: str = "",
) -> Figure:
    """A picture under a title with a caption, its colours, a drawing over it, and, where bar, its scale bar; pixel_m:
    the side of a pixel of its source."""
    width = picture.values.shape[1]
    length, text = bar_length(width * picture.reduction, pixel_m) if bar else (0.0, "")
    low, high = (f"{value:.3g}" for value in picture.limits)
    return Figure(
        title=title,
        caption=caption,
        address=picture.uri(),
        drawing=drawing,
        bar=length / (width * picture.reduction),
        bar_text=text,
        colours=css_colours(picture.colours),
        low=low,
        high=high,
        unit=picture.unit,
    )


def object_figures(canvas: Canvas, dataset: Dataset, window: int, fit: Fit) -> Iterator[Figure]:
    """Amplitude and phase of a canvas less `window` px at each border, and over it the positions of the dataset with
    the misfit of each pattern, from the fit; the illumination."""
    pixel_m = None if dataset.pixel_m is None else dataset.pixel_m[1]
    made = object_pictures(canvas, window)
    for name, picture in made.items():
        wrapped = "; colours go round the circle" if picture.colours == "cyclic" else ""
        caption = f"mean phase and mean slope removed{wrapped}" if name == "Phase" else ""
        yield picture_figure(name, picture, caption, pixel_m=pixel_m)
    box, amplitude = illuminated_box(canvas, window), made["Amplitude"]
    place = (dataset.position_yx - canvas.origin_yx - [box[0].start, box[1].start]) / amplitude.reduction
    drawing = scan_map(place, amplitude.values.shape, None)
    yield picture_figure("Positions", amplitude, "where the beam was", pixel_m=pixel_m, drawing=drawing)
    yield _misfit_figure(fit, place, amplitude, pixel_m)
    shown, every = reduce_image(canvas.illumination[box])
    picture = Picture(shown, (0.0, float(shown.max())), "sequential", "", every)
    yield picture_figure("Illumination", picture, "sum of the intensity of the beam over all patterns", pixel_m=pixel_m)


def _misfit_figure(fit: Fit, place: NDArray[np.float64], amplitude: Picture, pixel_m: float | None) -> Figure:
    misfit = fit.by_frame
    low, high = limits_of(misfit)
    pale = attrs.evolve(amplitude, values=np.full_like(amplitude.values, np.nan))
    drawing = scan_map(place, amplitude.values.shape, (misfit - low) / max(high - low, 1e-30))
    figure = picture_figure(
        "Misfit over the scan", pale, "R of each pattern; even is good", pixel_m=pixel_m, drawing=drawing
    )
    return attrs.evolve(figure, colours=css_colours("sequential"), low=f"{low:.3g}", high=f"{high:.3g}", unit="R")


def scan_map(place_yx: NDArray[np.float64], shape: tuple[int, ...], level: NDArray[np.float64] | None) -> str:
    """Dots as SVG at place_yx `(n, 2)` in px of an image of this shape, in colours by their level in [0, 1], in one
    where that is None. At most 20,000 are drawn, spread over the scan."""
    count, (height, width) = len(place_yx), shape
    rows = np.unique(np.linspace(0, count - 1, min(count, _MOST_DOTS)).astype(np.int64))
    group = np.zeros(count, np.int64) if level is None else (level.clip(0, 1) * (_CLASSES - 1)).round().astype(np.int64)
    size = 0.008 * max(height, width) if level is None else _dot_size(height * width, len(rows))
    parts = []
    for number in np.unique(group[rows]).tolist():
        colour = "#ff5a36" if level is None else _hex(palette("sequential")[round(number / (_CLASSES - 1) * 254)])
        dots = "".join(f"M{x:.1f} {y:.1f}h0" for y, x in (place_yx[rows[group[rows] == number]] + 0.5).tolist())
        if level is None:
            # They would hide among the details of the object.
            parts.append(f'<path d="{dots}" stroke="#fff" stroke-width="{1.8 * size:.2f}"/>')
        parts.append(f'<path d="{dots}" stroke="{colour}"/>')
    path = (
        f'<polyline points="{_path(place_yx[rows])}" fill="none" stroke="#ff5a36" stroke-opacity=".5" '
        'vector-effect="non-scaling-stroke"/>'
    )
    return (
        f'<svg class="over" viewBox="0 0 {width} {height}" preserveAspectRatio="none" xmlns="http://www.w3.org/2000/svg">'
        f'<g fill="none" stroke-linecap="round" stroke-width="{size:.2f}">{"".join(parts)}</g>'
        f"{path if level is None and count <= _MOST_JOINED else ''}</svg>"
    )


def _dot_size(area: float, count: int) -> float:
    return float(0.9 * np.sqrt(area / max(count, 1)))


def _path(place_yx: NDArray[np.float64]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for y, x in (place_yx + 0.5).tolist())


def _hex(colour: NDArray[np.uint8]) -> str:
    return f"#{bytes(colour.tolist()).hex()}"


def probe_figures(dataset: Dataset) -> Iterator[Figure]:
    """The amplitude of each mode of the probe of a dataset, with its share of the power, and the phase of the first."""
    pixel_m = None if dataset.pixel_m is None else dataset.pixel_m[1]
    power = np.square(np.abs(dataset.probe)).sum(axis=(1, 2))
    for number, (mode, share) in enumerate(zip(dataset.probe, power / power.sum(), strict=True), 1):
        if number > _MOST_MODES:
            break
        amplitude, every = reduce_image(np.abs(mode))
        shown = Picture(amplitude, (0.0, float(amplitude.max())), "sequential", "|P|", every)
        title = "Probe" if len(dataset.probe) == 1 else f"Probe, mode {number}"
        caption = "" if len(dataset.probe) == 1 else f"{100 * share:.1f} % of the power"
        yield picture_figure(title, shown, caption, pixel_m=pixel_m)
        if number == 1:
            faint = amplitude < _FAINT * amplitude.max()
            phase = np.where(faint, np.nan, np.angle(reduce_image(mode)[0]))
            turned = Picture(phase, (-np.pi, np.pi), "cyclic", "rad", every)
            yield picture_figure(f"{title}, phase", turned, "where the beam is faint, nothing", pixel_m=pixel_m)


def variation_figures(dataset: Dataset) -> Iterator[Figure]:
    """The weights of the components of a probe that varies, by pattern, and the amplitude of each component; nothing
    for one probe."""
    if dataset.components is None or dataset.weights is None:
        return
    rows = np.unique(np.linspace(0, len(dataset.weights) - 1, _MOST_POINTS).astype(np.int64))
    scale = np.sqrt(np.square(np.abs(dataset.components)).sum((1, 2)) / np.square(np.abs(dataset.probe)).sum())
    series = [
        Series(f"component {number}", tuple(zip((rows + 1.0).tolist(), values.tolist(), strict=True)))
        for number, values in enumerate((dataset.weights[rows] * scale).T, 1)
    ]
    chart = line_chart(series, "pattern", "weight, as a part of the probe", whole_x=True)
    yield Figure("Variation of the probe", "in the order of the patterns", drawing=chart)
    pixel_m = None if dataset.pixel_m is None else dataset.pixel_m[1]
    for number, component in enumerate(dataset.components, 1):
        amplitude, every = reduce_image(np.abs(component))
        shown = Picture(amplitude, (0.0, float(amplitude.max())), "sequential", "|C|", every)
        yield picture_figure(f"Component {number}", shown, pixel_m=pixel_m)


def pattern_figures(scan: Scan, canvas: Canvas, fit: Fit) -> Iterator[tuple[str, tuple[Figure, ...]]]:
    """The best, the median and the worst pattern of a scan by the fit, as a sentence and three figures: measured,
    modelled with the canvas, and the difference of their roots."""
    order = np.argsort(fit.by_frame, kind="stable")
    rows = [int(order[0]), int(order[len(order) // 2]), int(order[-1])]
    measured, modelled, valid = modelled_frames(scan, canvas, np.array(rows))
    for name, row, one, other in zip(("Best", "Median", "Worst"), rows, measured, modelled, strict=True):
        highest = float(max(one.max(), other.max(), np.finfo(np.float32).tiny))
        limits = (-float(_DECADES), 0.0)
        logs = [np.log10((np.where(valid, image, np.nan) / highest).clip(10.0**-_DECADES)) for image in (one, other)]
        residual = np.where(valid, np.sqrt(one) - np.sqrt(other), np.nan)
        reach = max(float(np.nanpercentile(np.abs(residual), 99.5)), 1e-12)
        shown = [Picture(image, limits, "sequential", "log10 I / max") for image in logs]
        shown.append(Picture(residual, (-reach, reach), "diverging", "roots"))
        titles = ("Measured", "Modelled", "Measured - modelled")
        figures = tuple(picture_figure(t, p, bar=False) for t, p in zip(titles, shown, strict=True))
        share = fit.by_frame[row]
        yield f"{name} pattern: number {row}, R = {share:.3g}", figures


def curve_figure(title: str, values: Sequence[float], xlabel: str, ylabel: str, caption: str = "") -> Figure:
    """A curve of values that belong to 1, 2, ..., with its title, xlabel, ylabel and caption."""
    series = Series(ylabel, tuple((float(number), float(value)) for number, value in enumerate(values, 1)))
    return Figure(title, caption, drawing=line_chart([series], xlabel, ylabel, whole_x=True))


@attrs.frozen(eq=False)
class HalfScans:
    """The comparison of the objects of two halves of a scan: frequency in cycles/px, ring correlation and its threshold
    `(R,)`, a sentence on the resolution, and the standard deviation of the phase in rad, `(H, W)` as the canvas, None
    where it is not known."""

    frequency: NDArray[np.floating[Any]]
    correlation: NDArray[np.floating[Any]]
    threshold: NDArray[np.floating[Any]]
    sentence: str
    deviation_rad: NDArray[np.floating[Any]] | None = None


def half_scan_figures(halves: HalfScans, canvas: Canvas, dataset: Dataset, window: int) -> Iterator[Figure]:
    """The ring correlation of the halves of a scan, and the uncertainty of the phase over the canvas less `window` px
    at each border; dataset: for the scale."""
    curves = {"correlation": halves.correlation, "threshold": halves.threshold}
    series = [
        Series(name, tuple(zip(halves.frequency.tolist(), values.tolist(), strict=True)), dashed=name == "threshold")
        for name, values in curves.items()
    ]
    chart = line_chart(series, "spatial frequency (cycles/px)", "correlation")
    yield Figure("Ring correlation of two halves of the scan", halves.sentence, drawing=chart)
    if halves.deviation_rad is not None:
        box = illuminated_box(canvas, window)
        dark = canvas.illumination[box] <= _DARK * canvas.illumination.max()
        shown, every = reduce_image(np.where(dark, np.nan, halves.deviation_rad[box]))
        picture = Picture(shown, (0.0, limits_of(shown)[1]), "sequential", "rad", every)
        pixel_m = None if dataset.pixel_m is None else dataset.pixel_m[1]
        yield picture_figure("Uncertainty of the phase", picture, "standard deviation", pixel_m=pixel_m)
