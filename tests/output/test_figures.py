"""What pictures show."""

import attrs
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ptycho_torch.output.figures import loss_figure
from ptycho_torch.output.object_pictures import amplitude_and_phase, illuminated_box, object_pictures
from ptycho_torch.output.picture_frame import bar_length, frame_picture
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


def _canvas(phase_rad: float) -> Canvas:
    """Random phases up to this one, in a field whose lower half is hardly illuminated and full of noise."""
    phase = phase_rad * np.random.default_rng(0).uniform(-1, 1, (64, 64))
    object_, light = np.exp(1j * phase).astype(np.complex64), np.ones((64, 64), np.float32)
    object_[32:], light[32:] = 50 * object_[32:], 1e-3
    light[60, 60] = 1.0
    return Canvas(object_, light, (0, 0))


def test_pixels_without_light_are_transparent_and_do_not_set_the_grey_scale() -> None:
    """The object there may be anything."""
    for picture in object_pictures(_canvas(0.5)).values():
        image = np.asarray(picture.image())
        assert (image[40:50] == 255).all()
        assert (image[:32] < 255).all()
        assert picture.limits[1] < 2


def test_a_phase_that_wraps_has_colours_without_an_end() -> None:
    """And the others are grey."""
    assert object_pictures(_canvas(0.5))["Phase"].colours == "grey"
    assert object_pictures(_canvas(3.1))["Phase"].colours == "cyclic"


def test_a_scale_bar_has_a_round_length() -> None:
    """In micrometres or nanometres where these are known."""
    assert bar_length(230, None) == (50, "50 px")
    assert bar_length(230, 1e-8)[1] == "0.5 \N{MICRO SIGN}m"
    assert bar_length(230, 1e-8)[0] == pytest.approx(50)
    assert bar_length(100, 1e-9)[1] == "20 nm"
    frame = frame_picture(object_pictures(_canvas(0.5))["Amplitude"], "Amplitude", 1e-8)
    black = np.asarray(frame.convert("L"))[-33, : frame.width // 2] < 40
    assert black.sum() == pytest.approx(bar_length(64, 1e-8)[0] * (720 // 64), abs=2)


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
