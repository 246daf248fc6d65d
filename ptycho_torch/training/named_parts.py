"""The network, the loss and the stitch weights that a training names, found before it starts."""

from ptycho_config import ConfigError, Problem
from ptycho_config.schema import External, TrainingSetup
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.reconstruction.stitch import find_stitch_weights
from ptycho_torch.training.losses import pattern_loss


def check_named_parts(setup: TrainingSetup) -> None:
    """Find every part of another package, and build its network once.

    Raises ConfigError with all parts that are missing or do not fit.
    """
    problems: list[Problem] = []
    for find in (
        lambda: isinstance(setup.torch.net, External) and build_model(setup.training.model, setup.torch, 0),
        lambda: pattern_loss(setup.training),
        lambda: find_stitch_weights(setup.torch.stitch),
    ):
        try:
            find()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems, TrainingSetup.SCHEMA)
