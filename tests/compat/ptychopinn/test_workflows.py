"""The names of the replaced system: dispatcher and workflow, on a real training."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_config import ConfigError
from ptycho_config.legacy import LegacyParams
from ptycho_config.schema import ModelConfig, PyTorchExecutionConfig, TrainingConfig
from ptycho_torch.api import TrainingRun, load
from ptycho_torch.compat.ptychopinn.backend_selector import run_cdi_example_with_backend, train_cdi_model_with_backend
from ptycho_torch.compat.ptychopinn.components import load_inference_bundle_torch, save_torch_bundle
from ptycho_torch.errors import DataError


def _config(folder: Path, **more: Any) -> TrainingConfig:
    return TrainingConfig(
        model=ModelConfig(architecture="unrolled"),
        nepochs=1,
        n_groups=32,
        batch_size=8,
        subsample_seed=0,
        backend="pytorch",
        output_dir=folder,
        **more,
    )


def test_the_dispatcher_trains_and_stitches(scan_file: Path, tmp_path: Path) -> None:
    """Amplitude and phase come back with the history and the name of the backend."""
    legacy = LegacyParams()
    amplitude, phase, results = run_cdi_example_with_backend(
        scan_file,
        None,
        _config(tmp_path),
        do_stitching=True,
        torch_execution_config=PyTorchExecutionConfig(learning_rate=1e-3),
        legacy=legacy,
    )
    assert amplitude.shape == phase.shape
    assert np.isfinite(amplitude).all()
    assert results["backend"] == "pytorch"
    assert len(results["history"]["train_loss"]) == 1
    assert legacy["nepochs"] == 1
    models, params = load_inference_bundle_torch(results["bundle"])
    assert params["n_groups"] == 32
    assert set(results["models"]) == set(models) == {"diffraction_to_obj", "autoencoder"}
    count = sum(p.numel() for p in models["diffraction_to_obj"].parameters())
    assert count == results["record"].parameters
    assert results["rect_s1s2_calibration"] is None
    assert len(results["train_container"]) + len(results["test_container"]) == 32


def test_a_model_is_saved_as_a_bundle_of_its_own(trained: TrainingRun, tmp_path: Path) -> None:
    """What is saved under the replaced system's name loads back; another network's config is refused."""
    models = {"diffraction_to_obj": trained.fitted.model}
    path = save_torch_bundle(models, tmp_path / "wts.h5", trained.configs.config, intensity_scale=2.0)
    assert path == tmp_path / "wts.h5.zip"
    stored = load(path)
    assert stored.bundle.record.intensity_scale == 2.0
    for name, tensor in trained.fitted.model.state_dict().items():
        assert torch.equal(stored.model.state_dict()[name], tensor)
    with pytest.raises(DataError, match="do not fit its configuration"):
        save_torch_bundle(models, tmp_path / "other", TrainingConfig(backend="pytorch"))
    assert not (tmp_path / "other").exists()
    with pytest.raises(KeyError, match="needs the model 'diffraction_to_obj'"):
        save_torch_bundle({}, tmp_path, trained.configs.config)


def test_flips_are_refused(scan_file: Path, tmp_path: Path) -> None:
    """They would be ignored, so they are an error."""
    with pytest.raises(ConfigError, match="flip or transpose them there"):
        run_cdi_example_with_backend(scan_file, None, _config(tmp_path), flip_x=True, legacy={})


def test_a_backend_that_is_not_installed_says_what_to_do() -> None:
    """TensorFlow belongs to another package."""
    with pytest.raises(RuntimeError, match="environment of its own, or set backend='pytorch'") as caught:
        train_cdi_model_with_backend("scan.npz", None, TrainingConfig(), legacy={})
    assert isinstance(caught.value.__cause__, ImportError)


def test_a_bundle_has_known_models(trained: TrainingRun) -> None:
    """Another name is a KeyError that names the one there is."""
    with pytest.raises(KeyError, match="diffraction_to_obj"):
        load_inference_bundle_torch(trained.bundle, "other")
