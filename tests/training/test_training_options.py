"""Every option of a training has the effect that it names; a resumed training is the same training."""

import csv
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from ptycho_config import ConfigError, Sources, create_training_payload
from ptycho_torch.api import TrainingRun, load, reconstruct, train
from ptycho_torch.device import check_packages
from ptycho_torch.errors import DataError, MissingFileError
from tests.runs import SMALL


def _train(scan: Path, folder: Path, *, resume: bool = False, **options: Any) -> TrainingRun:
    overrides = {**SMALL, **{name.replace("__", "."): value for name, value in options.items()}}
    return train(scan, folder, sources=Sources(overrides=overrides), legacy={}, resume=resume)


def _weights(run: TrainingRun) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in load(run.bundle).model.parameters()])


def test_a_resumed_training_is_the_uninterrupted_one(scan_file: Path, tmp_path: Path) -> None:
    """Two epochs and two more give the losses and weights of four, bit for bit; with a schedule that does not depend on
    how many epochs there will be, and the seed of the checkpoint instead of that of the profile."""
    whole = _train(scan_file, tmp_path / "whole", training__nepochs=4, scheduler="Exponential", subsample_seed=5)
    _train(scan_file, tmp_path / "parts", training__nepochs=2, scheduler="Exponential", subsample_seed=5)
    resumed = _train(scan_file, tmp_path / "parts", training__nepochs=4, scheduler="Exponential", resume=True)
    assert resumed.record.history == whole.record.history
    assert torch.equal(_weights(resumed), _weights(whole))
    # Its record names the seed, and where it comes from.
    saved = json.loads((tmp_path / "parts" / "config.json").read_text())["training"]
    assert saved["config"]["training"]["subsample_seed"] == 5
    assert str(resumed.configs.explain("training.subsample_seed")).endswith("of checkpoints/last.ckpt")


def test_a_training_that_is_not_resumed_right_would_be_seen(scan_file: Path, tmp_path: Path) -> None:
    """Starting over with fewer epochs gives another curve."""
    whole = _train(scan_file, tmp_path / "whole", training__nepochs=3)
    short = _train(scan_file, tmp_path / "short", training__nepochs=2)
    assert short.record.history.train_loss != whole.record.history.train_loss[1:]


def test_what_cannot_be_resumed_says_so(scan_file: Path, tmp_path: Path) -> None:
    """No checkpoint, one with more epochs, another network."""
    with pytest.raises(MissingFileError, match="no checkpoint to resume from"):
        _train(scan_file, tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    _train(scan_file, tmp_path / "done", training__nepochs=2)
    with pytest.raises(DataError, match=r"has 2 epochs, more than the 1 of this training \(raise --max_epochs"):
        _train(scan_file, tmp_path / "done", training__nepochs=1, resume=True)
    with pytest.raises(DataError, match="is no checkpoint of this training"):
        _train(scan_file, tmp_path / "done", training__nepochs=3, torch__net__width=6, resume=True)


PATCHWISE: dict[str, Any] = {
    "training__model__gridsize": 2,
    "torch__net__stitched": False,
    "torch__overlap__partners": 0,
}
CHANGES: dict[str, dict[str, Any]] = {
    "mean absolute error": {"training__torch_loss_mode": "mae"},
    "energy matched": {"training__torch_loss_mode": "mae", "training__torch_mae_pred_l2_match_target": True},
    "gain": {"torch__forward__amplitude_physics_gain": 1.5},
    "probe mask": {"training__model__probe_mask": True},
    "smoothed probe": {"training__model__gaussian_smoothing_sigma": 1.0},
    "total variation": {"torch__regularisation__amp_loss": "Total_Variation"},
    "mean deviation": {"torch__regularisation__phase_loss": "Mean_Deviation"},
    "adaptive clipping": {"training__gradient_clip_algorithm": "agc", "training__gradient_clip_val": 1e-3},
    "bfloat16": {"execution__precision": "bf16-mixed"},
    "intensity scale": {"training__intensity_scale_trainable": True},
    "rectangular": {"torch__forward": "rectangular_scaled", "rect_s1s2_init": "data"},
    "neighbours at a distance": {
        "torch__grouping__neighbors": "min_dist",
        "torch__grouping__neighbors__min_neighbor_distance": 12.0,
        "torch__grouping__neighbors__max_neighbor_distance": 40.0,
    },
    "part of the scan": {"torch__grouping__x_bounds": (0.0, 0.6)},
    "merged uniformly": {**PATCHWISE, "torch__overlap__merge_weighting": "uniform"},
}


@pytest.fixture(scope="module")
def plain(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, float]:
    """First losses without any of the changes, by gridsize."""
    folder = tmp_path_factory.mktemp("plain")
    runs = {
        1: _train(scan_file, folder / "1", training__nepochs=1),
        2: _train(scan_file, folder / "2", training__nepochs=1, **PATCHWISE),
    }
    return {side: run.record.history.train_loss[0] for side, run in runs.items()}


@pytest.mark.parametrize("name", CHANGES)
def test_an_option_changes_what_is_learned(name: str, plain: dict[int, float], scan_file: Path, tmp_path: Path) -> None:
    """Another first loss, a finite one; the bundle loads and reconstructs."""
    run = _train(scan_file, tmp_path, training__nepochs=1, **CHANGES[name])
    (loss,) = run.record.history.train_loss
    side = 2 if "merged" in name else 1
    assert np.isfinite(loss)
    assert loss != plain[side]
    made = reconstruct(scan_file, tmp_path / "out", model=run.bundle, legacy={}, unknown=())
    assert np.isfinite(made.canvas.object).all()


@pytest.mark.parametrize("loss", ["patches", "exit_waves"])
def test_supervised_training_learns_the_labels(loss: str, scan_file: Path, tmp_path: Path) -> None:
    """Patches of objectGuess, cut around each position; the loss falls."""
    run = _train(
        scan_file,
        tmp_path,
        training__nepochs=6,
        execution__learning_rate=2e-2,
        model_type="supervised",
        torch__labels__loss=loss,
        torch__overlap__partners=0,
        torch__overlap__weight=0.0,
    )
    losses = run.record.history.train_loss
    assert losses[-1] < 0.95 * losses[0]


def test_supervised_training_needs_labels(scan_file: Path, tmp_path: Path) -> None:
    """A scan without them is refused, with what to do."""
    with np.load(scan_file) as arrays:
        kept = {name: arrays[name] for name in arrays.files if name != "objectGuess"}
    np.savez(tmp_path / "bare.npz", **kept)
    with pytest.raises(DataError, match=r"has no labels \(supervised training needs label"):
        _train(tmp_path / "bare.npz", tmp_path / "out", model_type="supervised")
    assert not (tmp_path / "out").exists()


def test_the_norm_of_the_gradient_is_logged(scan_file: Path, tmp_path: Path) -> None:
    """As often as asked."""
    _train(scan_file, tmp_path, training__nepochs=1, torch__record__log_grad_norm=True)
    (metrics,) = tmp_path.rglob("metrics.csv")
    with metrics.open() as stream:
        rows = [row["grad_norm"] for row in csv.DictReader(stream)]
    assert all(float(value) > 0 for value in rows if value)
    assert any(rows)


@pytest.mark.skipif(find_spec("sqlalchemy") is not None, reason="all of mlflow keeps runs in a database")
def test_mlflow_without_a_database_keeps_runs_in_files(
    scan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the small mlflow that ptychodus installs; its client reads them again."""
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    _train(scan_file, tmp_path, training__nepochs=1, execution__logger_backend="mlflow")
    (store,) = tmp_path.rglob("mlruns")
    client = MlflowClient(tracking_uri=store.as_uri())
    (experiment,) = (one for one in client.search_experiments() if one.name != "Default")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert any("loss" in name for name in run.data.metrics)


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        ({"execution.logger_backend": "mlflow"}, r"pip install 'ptycho\[mlflow\]'"),
        ({"execution.logger_backend": "tensorboard"}, r"pip install 'ptycho\[tensorboard\]'"),
        ({"architecture": "neuralop_uno", "N": 128}, r"pip install 'ptycho\[neuralop\]'"),
    ],
)
def test_an_option_without_its_package_is_refused_before_anything_is_written(
    overrides: dict[str, Any], advice: str
) -> None:
    """The message names the package and how to get it; what is not asked for is not missed."""
    asked = create_training_payload(sources=Sources(overrides=overrides))[0].config
    with pytest.raises(ConfigError, match=advice):
        check_packages(asked, find=lambda _: None)
    check_packages(create_training_payload(profile="unrolled")[0].config, find=lambda _: None)
