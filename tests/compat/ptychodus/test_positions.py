"""An object that belongs to other positions than those of the client is not given to it."""

import attrs
import numpy as np
import pytest

from ptycho_config import ConfigError, at, fields
from ptycho_config.schema import RefineOptions, TrainingSetup
from ptycho_torch.api import load
from ptycho_torch.compat.ptychodus.inference import reconstruct_arrays
from ptycho_torch.compat.ptychodus.training import Arrays
from ptycho_torch.config_params import InferenceConfig
from ptycho_torch.pretrained import PRETRAINED


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (RefineOptions(passes=3, refine_positions=True), "other positions than those that the application keeps"),
        (RefineOptions(halves=True), "no place in the results of the application"),
    ],
)
def test_what_the_client_has_no_place_for_is_refused(options: RefineOptions, refusal: str) -> None:
    """Although a bundle may ask for it."""
    trained, c = load(PRETRAINED), fields(TrainingSetup)
    asked = at(c.torch.refine).put(options)
    trained = attrs.evolve(trained, setup=asked(trained.setup))
    position = np.array([[40.0, 40.0], [40.0, 46.0], [46.0, 40.0], [46.0, 46.0]])
    arrays = Arrays(np.ones((4, 64, 64)), np.ones((1, 64, 64), np.complex64), position)
    with pytest.raises(ConfigError, match=refusal):
        reconstruct_arrays(trained, arrays, InferenceConfig())
