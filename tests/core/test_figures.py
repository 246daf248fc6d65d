"""What pictures show."""

import numpy as np

from ptycho_torch.figures import amplitude_and_phase, lit_box
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.records import Canvas


def test_a_phase_ramp_does_not_hide_the_object() -> None:
    """With a ramp on it, an object gives the same pictures; a change of the object does not."""
    object_ = natural_object("camera", "coins", 64)
    light = np.ones(object_.shape, np.float32)
    rows, columns = np.indices(object_.shape)
    ramp = np.exp(1j * (0.4 + 0.02 * rows - 0.015 * columns)).astype(np.complex64)
    plain, tilted = (Canvas(o, light, (0, 0)) for o in (object_, object_ * ramp))
    box = lit_box(plain)
    for one, other in zip(amplitude_and_phase(plain, box), amplitude_and_phase(tilted, box), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)
    other = Canvas(natural_object("coffee", "chelsea", 64), light, (0, 0))
    assert not np.allclose(amplitude_and_phase(plain, box)[1], amplitude_and_phase(other, box)[1], atol=1e-2)
