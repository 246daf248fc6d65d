"""`load`: a bundle to a trained model."""

from pathlib import Path

from ptycho_config import ConfigError
from ptycho_torch.device import check_packages
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.reconstruction.trained_model import Trained, restore_model

__all__ = ["Trained", "load"]


def load(model_path: Path | str) -> Trained:
    """The model in a bundle, its weights checked name by name.

    model_path: the bundle or its folder. Raises DataError, and ConfigError where its network is one of a
    package that is not installed.

    >>> load("run")
    <Trained network 'unrolled': ... weights, 1 epochs>
    """
    bundle = load_bundle(Path(model_path))
    check_packages(bundle.setup, under="torch.net")
    try:
        model = restore_model(bundle, str(model_path))
    except ConfigError as error:
        raise ConfigError(error.problems, f"the model {model_path}") from None
    return Trained(model, bundle.setup, bundle)
