"""The torch workflow of PtychoPINN: train, reconstruct and load, on canonical configs."""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import (
    ConfigError,
    Problem,
    PyTorchExecutionConfig,
    Sources,
    TrainingConfig,
    Transform,
    at,
    diff,
    fields,
    from_mapping,
    legacy_delta,
)
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import load, reconstruct, train
from ptycho_torch.model import Reconstructor

Scan = Path | str | None


def train_cdi_model_torch(
    train_data: Scan,
    test_data: Scan,
    config: TrainingConfig,
    execution_config: PyTorchExecutionConfig | None = None,
) -> dict[str, Any]:
    """Train on a scan file (`train_data`, or that of the config).

    Returns `history` (`train_loss`, `val_loss`), `models` with the trained `diffraction_to_obj`,
    the path of the `bundle` and the `record` of the run.
    """
    made = train(
        train_data,
        profile=None,
        sources=Sources(execution=execution_config, overrides=_overrides(config, test_data)),
    )
    history = {name: made.record["history"][name] for name in ("train_loss", "val_loss")}
    models = {"diffraction_to_obj": load(made.bundle).model}
    return {"history": history, "models": models, "bundle": made.bundle, "record": made.record}


def run_cdi_example_torch(
    train_data: Scan,
    test_data: Scan,
    config: TrainingConfig,
    flip_x: bool = False,  # noqa: FBT001, FBT002 - the order of the replaced system
    flip_y: bool = False,  # noqa: FBT001, FBT002
    transpose: bool = False,  # noqa: FBT001, FBT002
    M: int = 20,  # noqa: ARG001 - patches are weighted by their illumination, not cropped
    do_stitching: bool = False,  # noqa: FBT001, FBT002
    *,
    execution_config: PyTorchExecutionConfig | None = None,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None, dict[str, Any]]:
    """Train and, with `do_stitching`, reconstruct: `(amplitude, phase, results)`.

    The test scan is reconstructed where there is one, otherwise the training scan; amplitude
    and phase are None without stitching.
    """
    if flip_x or flip_y or transpose:
        message = "positions are taken as the file has them; flip or transpose them there"
        raise ConfigError([Problem("flip_x, flip_y, transpose", message)])
    results = train_cdi_model_torch(train_data, test_data, config, execution_config)
    if not do_stitching:
        return None, None, results
    scan = test_data or config.test_data_file or train_data or config.train_data_file
    assert scan is not None
    made = reconstruct(results["bundle"], scan, config.output_dir)
    picture = made.canvas.object
    return np.abs(picture), np.angle(picture), {**results, "reconstruction": made}


def load_inference_bundle_torch(
    bundle_dir: Path | str, model_name: str = "diffraction_to_obj"
) -> tuple[Reconstructor, dict[str, Any]]:
    """The trained model and the legacy values it was trained with."""
    if model_name != "diffraction_to_obj":
        raise KeyError(f"a bundle holds 'diffraction_to_obj', not {model_name!r}")
    trained = load(bundle_dir)
    return trained.model, dict(legacy_delta(trained.setup.training).set)


def _overrides(config: TrainingConfig, test_data: Scan) -> Transform:
    """What a canonical config says that the defaults do not; the network by its architecture."""
    c = fields(TrainingConfig)
    if test_data is not None:
        config = at(c.test_data_file).put(Path(test_data))(config)
    changed = diff(TrainingConfig(backend=config.backend), config).steps
    steps = tuple(attrs.evolve(step, path=f"training.{step.path}") for step in changed)
    network = {"architecture": config.model.architecture}
    others = tuple(step for step in steps if step.path != "training.model.architecture")
    return from_mapping(TrainingSetup, network, "explicit overrides") >> Transform(others)
