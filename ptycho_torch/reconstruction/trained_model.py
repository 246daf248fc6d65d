"""A trained model, restored from its bundle."""

import attrs

from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.specs import kind_of
from ptycho_torch.errors import DataError
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from ptycho_torch.output.bundle import Bundle


@attrs.frozen(eq=False, repr=False)
class Trained:
    """A loaded model with the configuration and the record of its training."""

    model: Reconstructor
    setup: TrainingSetup
    bundle: Bundle

    def __repr__(self) -> str:
        weights = sum(parameter.numel() for parameter in self.model.parameters())
        epochs = len(self.bundle.record.history.train_loss)
        return f"<Trained network {kind_of(type(self.setup.torch.net))!r}: {weights} weights, {epochs} epochs>"


def restore_model(bundle: Bundle, name: str) -> Reconstructor:
    """The model that the configuration of a bundle describes, with its weights.

    name: of the bundle, for the error. Raises DataError where the weights do not fit the configuration, and
    ConfigError where the package of the network is missing.
    """
    learned = bundle.weights.get("probe.real")
    model = build_model(
        bundle.setup.training.model,
        bundle.setup.torch,
        seed=0,
        intensity_scale="scale.log_scale" in bundle.weights,
        learned_probe=None if learned is None else tuple(learned.shape),
    )
    try:
        model.load_state_dict(bundle.weights)
    except RuntimeError as error:
        raise DataError(name, f"its weights do not fit its configuration: {error}") from None
    return model
