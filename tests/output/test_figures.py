"""What pictures show."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from ptycho_torch.output.figures import amplitude_and_phase, illuminated_box, loss_figure
from ptycho_torch.output.run_records import Losses
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.records import Canvas


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
