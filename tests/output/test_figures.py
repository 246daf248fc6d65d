"""What pictures show."""

import attrs
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ptycho_torch.output.figures import Ruler, amplitude_and_phase, illuminated_box, image_figure, loss_figure
from ptycho_torch.output.run_records import Losses
from ptycho_torch.output.scan_figure import scan_figure
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.records import Canvas, Geometry
from tests.faults.scans import good


def test_a_phase_ramp_does_not_hide_the_object() -> None:
    """With a ramp on it, an object gives the same pictures; a change of the object does not."""
    object_ = natural_object("camera", "coins", 64)
    light = np.ones(object_.shape, np.float32)
    rows, columns = np.indices(object_.shape)
    ramp = np.exp(1j * (0.4 + 0.02 * rows - 0.015 * columns)).astype(np.complex64)
    plain, tilted = (Canvas(o, light, (0, 0)) for o in (object_, object_ * ramp))
    box = illuminated_box(plain)
    for one, other in zip(amplitude_and_phase(plain, box), amplitude_and_phase(tilted, box), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    other = Canvas(natural_object("coffee", "chelsea", 64), light, (0, 0))
    assert not np.allclose(amplitude_and_phase(plain, box)[1], amplitude_and_phase(other, box)[1], atol=1e-2)


def test_an_object_is_shown_in_micrometres_where_they_are_known() -> None:
    """At the places of the laboratory; in pixels elsewhere."""
    geometry = Geometry((2e-8, 1e-8), (3e-6, -1e-6))
    image, box = np.ones((10, 20), np.float32), (slice(0, 10), slice(5, 25))
    for known, unit, extent in (
        (geometry, "\N{MICRO SIGN}m", (-0.855, -0.655, 3.33, 3.13)),
        (None, "px", (14.5, 34.5, 16.5, 6.5)),
    ):
        (axes, _) = image_figure(image, box, (7, 10), "Phase", "rad", Ruler.of(known)).axes
        assert (axes.get_xlabel(), axes.get_ylabel()) == (f"x ({unit})", f"y ({unit})")
        assert axes.images[0].get_extent() == pytest.approx(extent)


def test_the_figure_of_a_scan_shows_what_can_be_wrong_with_it() -> None:
    """Masked pixels, numbers of positions, totals, and lengths where they are known."""
    scan = good()
    valid = np.ones((32, 32), np.bool_)
    valid[4, 7] = False
    geometry = Geometry((1e-8, 1e-8), (0.0, 0.0))
    dataset = attrs.evolve(scan, intensity=scan.intensity[:] * valid, valid_pixels=valid, geometry=geometry)
    figure = scan_figure(dataset, "scan: sound")
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    pattern, positions, probe, overlap, totals, alone = (
        next(axes for title, axes in panels.items() if words in title)
        for words in ("Mean pattern", "Positions", "Probe", "Overlap", "Sum", "alone")
    )
    red = np.asarray(pattern.images[1].get_array())
    assert np.argwhere(red[..., 3] > 0).tolist() == [[4, 7]]
    assert {"0", "168"} <= {text.get_text() for text in positions.texts}
    np.testing.assert_allclose(positions.lines[1].get_xdata(), scan.position_yx[:, 1] * 1e-2)
    for axes in (positions, probe, overlap):
        assert axes.get_xlabel() == "x (\N{MICRO SIGN}m)"
    np.testing.assert_allclose(totals.lines[0].get_ydata(), (scan.intensity[:] * valid).sum((1, 2)), rtol=1e-6)
    assert len(alone.images) == 1


HISTORIES = {
    "one epoch": ([1.58], "linear"),
    "two epochs": ([1.58, 1.52], "linear"),
    "nearly constant": ([1.5800001, 1.58], "linear"),
    "with zero": ([30.0, 0.0], "linear"),
    "negative": ([-1e6, -2e6, -2.5e6], "linear"),
    "small": ([3e-5, 2e-5, 1.1e-5], "linear"),
    "a decade": ([12.0, 3.0, 1.1], "log"),
    "five decades": ([2e3, 4.0, 0.02], "log"),
    "twelve decades": ([2e6, 1.0, 1e-6], "log"),
    "no number": ([30.0, float("nan"), 2.0], "linear"),
    "not recorded": ([], "linear"),
}


@pytest.mark.filterwarnings("ignore:No artists with labels")
@pytest.mark.parametrize("name", HISTORIES)
def test_losses_are_read_off_in_plain_numbers(name: str) -> None:
    """Whole epochs; several losses as decimals without exponent or offset; logarithmic over a decade."""
    losses, scale = HISTORIES[name]
    figure = loss_figure(Losses(tuple(losses)))
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    assert axes.get_yscale() == scale
    texts = {}
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        shown = [tick.label1.get_text() for tick in ticks if low <= tick.get_loc() <= high]
        texts[axis] = [text.replace("\N{MINUS SIGN}", "-") for text in shown if text]
        assert axis.get_offset_text().get_text() == ""
    epochs = [float(text) for text in texts[axes.xaxis]]
    assert all(epoch == round(epoch) for epoch in epochs)
    assert set(epochs) & set(range(1, len(losses) + 1)) or not losses
    assert all(set(text) <= set("-.0123456789") for text in texts[axes.yaxis])
    assert len(set(texts[axes.yaxis])) >= 2
