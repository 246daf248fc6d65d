"""The torch workflow of PtychoPINN: train, reconstruct and load, on canonical configs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from torch import nn

from ptycho_config import ConfigError, Problem, parse, resolve
from ptycho_config.factory import Sources, create_training_payload, put_given
from ptycho_config.layers import OVERRIDES
from ptycho_config.legacy import legacy_delta
from ptycho_config.lens import at, fields
from ptycho_config.policy import is_settable
from ptycho_config.schema import InferenceSetup, PyTorchExecutionConfig, TrainingConfig, TrainingSetup
from ptycho_config.transform import Transform
from ptycho_torch.api import load, reconstruct, train
from ptycho_torch.nets.output_scale import RectangularScale
from ptycho_torch.output.bundle import Bundle, save_bundle
from ptycho_torch.output.bundle_archive import BUNDLE_NAME
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.run_records import Losses, TrainingRecord
from ptycho_torch.reconstruction.trained_model import restore_model
from ptycho_torch.run_folder import claim_folder, write_results

__all__ = ["load_inference_bundle_torch", "run_cdi_example_torch", "save_torch_bundle", "train_cdi_model_torch"]

MODEL = "diffraction_to_obj"
Scan = Path | str | None


def train_cdi_model_torch(
    train_data: Scan, test_data: Scan, config: TrainingConfig, execution_config: PyTorchExecutionConfig | None = None
) -> dict[str, Any]:
    """Train on a scan file (`train_data`, or that of the config), validate on `test_data` if it is given.

    Returns `history` (`train_loss`, `val_loss`), `models` (the trained `diffraction_to_obj`, and
    `autoencoder`, its network alone), `train_container` and `test_container` (the clusters that were
    trained and validated on), `rect_s1s2_calibration` (the learned scales, None without them), the
    path of the `bundle` and the `record` of the run. execution_config: devices and loop, None for defaults.
    """
    sources = Sources(execution=execution_config, overrides=_overrides(config, test_data))
    made = train(train_data, profile=None, sources=sources)
    model, data = made.fitted.model, made.fitted.data
    scale = model.scale
    scales = {"s1": float(scale.s1), "s2": float(scale.s2)} if isinstance(scale, RectangularScale) else None
    return {
        "history": {name: list(losses) for name, losses in attrs.asdict(made.record.history).items()},
        "models": {MODEL: model, "autoencoder": model.network},
        "train_container": data.training,
        "test_container": data.validation,
        "rect_s1s2_calibration": scales,
        "bundle": made.bundle,
        "record": made.record,
    }


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

    train_data, test_data, execution_config: as for `train_cdi_model_torch`; flip_x, flip_y, transpose: must be
    false; M: without effect. The test scan is reconstructed where there is one (here or in the config),
    otherwise the training scan; amplitude and phase are None without stitching.
    """
    if flip_x or flip_y or transpose:
        message = "positions are taken as the file has them; flip or transpose them there"
        raise ConfigError([Problem("flip_x, flip_y, transpose", message)])
    results = train_cdi_model_torch(train_data, test_data, config, execution_config)
    if not do_stitching:
        return None, None, results
    scan = test_data or config.test_data_file or train_data or config.train_data_file
    assert scan is not None
    used = Transform()
    if execution_config is not None:
        steps = put_given(execution_config, "execution").steps
        used = Transform(tuple(step for step in steps if is_settable(InferenceSetup, step.path)))
    made = reconstruct(scan, config.output_dir, model=results["bundle"], sources=Sources(overrides=used))
    picture = made.canvas.object
    return np.abs(picture), np.angle(picture), {**results, "reconstruction": made}


def load_inference_bundle_torch(
    bundle_dir: Path | str, model_name: str = MODEL
) -> tuple[dict[str, nn.Module], dict[str, Any]]:
    """`(models, params)` of the bundle in `bundle_dir`: trained models by name, and their legacy values.

    Raises KeyError where `model_name` is not among them. The legacy dict is not written.
    """
    trained = load(bundle_dir)
    models = {MODEL: trained.model, "autoencoder": trained.model.network}
    if model_name not in models:
        raise KeyError(f"a bundle holds {', '.join(map(repr, models))}, not {model_name!r}")
    return models, dict(legacy_delta(trained.setup.training).set)


def save_torch_bundle(
    models_dict: Mapping[str, nn.Module],
    base_path: Path | str,
    config: TrainingConfig | TrainingSetup,
    intensity_scale: float | None = None,
) -> Path:
    """Write `wts.h5.zip` into the folder `base_path` (or that of `base_path`, where that ends in `wts.h5`)
    from the model `diffraction_to_obj` of `models_dict`, which must be the one that the config describes.

    intensity_scale is kept in the record. Raises KeyError without that model, DataError for another one.
    """
    if MODEL not in models_dict:
        raise KeyError(f"a bundle needs the model {MODEL!r}, got {', '.join(map(repr, models_dict))}")
    setup = config
    if isinstance(setup, TrainingConfig):
        setup = create_training_payload(sources=Sources(overrides=_overrides(setup, None)))[0].config
    record = TrainingRecord(history=Losses(), intensity_scale=intensity_scale)
    bundle = Bundle(setup, dict(models_dict[MODEL].state_dict()), derivation_of(resolve(setup)), record)
    restore_model(bundle, str(base_path))
    path = Path(base_path)
    folder = path.parent if path.name in (BUNDLE_NAME, BUNDLE_NAME.removesuffix(".zip")) else path
    with claim_folder(folder), write_results(folder) as stage:
        save_bundle(stage, bundle)
    return folder / BUNDLE_NAME


def _overrides(config: TrainingConfig, test_data: Scan) -> Transform:
    """The options that a canonical config was given; the network by its architecture, and this backend."""
    decided = {"training.backend", "training.model.architecture"}
    validation = Transform()
    if test_data is not None:
        decided.add("training.test_data_file")
        validation = at(fields(TrainingSetup).training.test_data_file).put(Path(test_data))
    steps = tuple(step for step in put_given(config, "training").steps if step.path not in decided)
    network = parse(TrainingSetup, {"architecture": config.model.architecture}, OVERRIDES)
    return network >> validation >> Transform(steps)
