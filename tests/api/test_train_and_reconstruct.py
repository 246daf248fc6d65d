"""The whole road on a small scan: files in, files out, and what is promised in between."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from ptycho_config import ConfigError, Sources, at, fields, replay
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import TrainingRun, reconstruct, train
from ptycho_torch.api import load as load_model
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.errors import DataError
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.r_factor import r_factor
from tests.runs import SMALL, RecordingDict

FOLDERS = ("checkpoints", "lightning_logs")
JSON = ("config.json", "metrics.json", "results.json")


def test_training_lowers_the_loss_and_leaves_a_bundle(trained: TrainingRun) -> None:
    """Losses for training and validation per epoch, and every promised file."""
    history = trained.record.history
    assert history.train_loss[-1] < history.train_loss[0]
    assert len(history.val_loss) == 2
    names = {path.name for path in trained.bundle.parent.iterdir()}
    assert {"wts.h5.zip", "config.json", "metrics.json", "loss.png", "report.html", "results.json", *FOLDERS} == names


def test_the_saved_derivation_is_that_of_the_run(trained: TrainingRun) -> None:
    """`config.json` replays to the same config, with the same reasons."""
    saved = json.loads((trained.bundle.parent / "config.json").read_text())["training"]
    replayed = replay(TrainingSetup, saved)
    assert replayed == trained.configs
    assert replayed.explain().changes == trained.configs.explain().changes


def test_what_cannot_be_recorded_is_refused_before_it_is_trained(scan_file: Path, tmp_path: Path) -> None:
    """A lambda has no name to be found by; nothing is written."""
    doubled = at(fields(TrainingSetup).execution.learning_rate).over(lambda rate: 2 * rate)
    with pytest.raises(ConfigError, match="learning_rate: cannot be saved: a lambda"):
        train(scan_file, tmp_path / "out", sources=Sources(overrides=doubled), legacy={})
    assert not (tmp_path / "out").exists()


def test_a_new_process_reconstructs_from_the_files_alone(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """The command writes product, pictures, metrics and report; the numbers agree with each other."""
    command = [sys.executable, "-m", "ptycho_torch.cli.infer", "--model_path", str(trained.bundle.parent)]
    command += ["--test_data", str(scan_file), "--output_dir", str(tmp_path / "out"), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'out' / 'report.html'}\n"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"amplitude.png", "phase.png"}
    assert names == pictures | {"product.h5", "reconstruction.npz", "report.html", *JSON}
    arrays = np.load(tmp_path / "out" / "reconstruction.npz", allow_pickle=False)
    assert arrays["object"].dtype == np.complex64
    with h5py.File(tmp_path / "out" / "product.h5") as product:
        np.testing.assert_array_equal(product["object"][0], arrays["object"])
        assert product["probe"].shape == (1, 1, 64, 64)
        positions = np.load(scan_file)
        column = (product["probe_position_x_m"][:] - product["object"].attrs["center_x_m"]) + (
            arrays["object"].shape[1] - 1
        ) / 2
        first = np.round(column - (64 - 1) / 2).astype(int)
        np.testing.assert_array_equal(first, np.round(positions["xcoords"]).astype(int) - 32 - arrays["origin_px"][1])
    report = (tmp_path / "out" / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 16
    assert "torch.net.width" in report


def test_one_network_serves_patterns_of_another_size(trained: TrainingRun, tmp_path: Path) -> None:
    """Trained on patterns of 64 px, it reconstructs a scan of 128 px."""
    probe = defocused_probe(128, pupil_px=10.0, defocus_rad=6.0)[None]
    scan = simulate_scan(natural_object("camera", "coins", 180), seed=0, probe=probe, step_px=10.0)
    write_scan(tmp_path / "large.npz", scan)
    result = reconstruct(tmp_path / "large.npz", tmp_path / "out", model=trained.bundle, legacy={})
    assert result.configs.config.inference.model.N == 128
    assert result.metrics.R_flat / 2 > result.metrics.R
    frozen = Sources(overrides={"torch.scale.statistics": "training"})
    with pytest.raises(DataError, match="statistics of patterns of 64 px"):
        reconstruct(tmp_path / "large.npz", tmp_path / "frozen", model=trained.bundle, sources=frozen, legacy={})
    trimmed = Sources(overrides={"execution.middle_trim": 129})
    with pytest.raises(ConfigError, match="129 px are more than a patch has"):
        reconstruct(tmp_path / "large.npz", tmp_path / "trim", model=trained.bundle, sources=trimmed, legacy={})


def test_a_trained_network_beats_a_flat_object(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """Even two epochs fit the patterns better than nothing, and the metric says what the canvas says."""
    result = reconstruct(scan_file, tmp_path, model=trained.bundle, legacy={})
    assert 0.7 * result.metrics.R_flat > result.metrics.R
    dataset = read_scan(scan_file, "count_intensity")
    assert r_factor(normalise(dataset), result.canvas) == pytest.approx(result.metrics.R, abs=1e-6)
    assert "data:image/png" in result._repr_html_()


def test_the_same_seed_trains_the_same_network(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """Weights and losses are equal bit for bit; the process is left as it was found."""
    before = torch.random.get_rng_state()
    again = train(scan_file, tmp_path, sources=Sources(overrides=SMALL), legacy={})
    assert again.record.history == trained.record.history
    first, second = load_model(trained.bundle).bundle.weights, load_model(again.bundle).bundle.weights
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def _spoil(path: Path) -> None:
    """Fill the file with zeros in place: a run that has it open sees that."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))


def test_the_legacy_dict_is_written_once_and_before_any_data_is_read(scan_file: Path, tmp_path: Path) -> None:
    """The file is spoilt at the moment of the update: the error proves that it was read after
    (CONFIG-001); the dict of a training that fails is as it was."""
    path = tmp_path / "scan.npz"
    shutil.copy(scan_file, path)
    legacy = RecordingDict(lambda: _spoil(path))
    with pytest.raises(DataError, match="changed while it was read"):
        train(path, tmp_path / "out", sources=Sources(overrides=SMALL), legacy=legacy)
    written, restored = legacy.updates
    assert written["train_data_file_path"] == str(path)
    assert "learning_rate" not in written
    assert restored == {}


def test_inference_writes_the_legacy_dict_once_and_before_data(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """The same boundary on the way out (CONFIG-001)."""
    path = tmp_path / "scan.npz"
    shutil.copy(scan_file, path)
    legacy = RecordingDict(lambda: _spoil(path))
    with pytest.raises(DataError, match="'diff3d' cannot be read"):
        reconstruct(path, tmp_path / "out", model=trained.bundle, legacy=legacy)
    written, restored = legacy.updates
    assert written["test_data_file_path"] == str(path)
    assert restored == {}


@pytest.mark.parametrize(
    "options",
    [
        {"training.model.gridsize": 2},
        {"training.model.gridsize": 2, "torch.overlap.partners": 0, "torch.overlap.weight": 0.0},
        {"training.model.gridsize": 2, "training.model.object_big": False},
        {"training.torch_loss_mode": "mae"},
        {"training.optimizer": "sgd", "execution.learning_rate": 1e-2},
        {"training.optimizer": "adam", "training.scheduler": "ReduceLROnPlateau"},
        {"training.scheduler": "Exponential", "execution.accum_steps": 2},
        {"training.gradient_clip_algorithm": "value", "execution.logger_backend": None},
        {"execution.enable_checkpointing": False, "training.n_groups": 12, "training.sequential_sampling": True},
        {"torch.data.validation_fraction": 0.0, "training.n_subsample": 20, "torch.overlap.partners": 9},
        {"execution.checkpoint_save_top_k": 0, "execution.deterministic": "warn"},
        {"execution.checkpoint_monitor_metric": "train_loss", "execution.early_stop_patience": 2},
        {"execution.num_workers": 1, "execution.persistent_workers": True, "execution.prefetch_factor": 2},
    ],
    ids=lambda options: ",".join(f"{k.rpartition('.')[2]}={v}" for k, v in options.items()),
)
def test_every_option_trains(scan_file: Path, tmp_path: Path, options: dict[str, object]) -> None:
    """Each consumed option runs and lowers the training loss."""
    run = train(scan_file, tmp_path, sources=Sources(overrides={**SMALL, "training.nepochs": 3, **options}), legacy={})
    losses = run.record.history.train_loss
    assert losses[-1] < losses[0]
    assert reconstruct(scan_file, tmp_path / "out", model=run.bundle, legacy={}).metrics.R > 0


def test_a_second_scan_can_validate(scan_file: Path, tmp_path: Path) -> None:
    """All groups of the training scan are used, and the other scan gives the validation loss."""
    options = {**SMALL, "training.test_data_file": str(scan_file)}
    run = train(scan_file, tmp_path, sources=Sources(overrides=options), legacy={})
    assert run.record.groups == len(np.load(scan_file)["xcoords"])
    assert len(run.record.history.val_loss) == 2


def test_several_probe_modes_train(scan_file: Path, tmp_path: Path) -> None:
    """A (P, N, N) probe goes through training, inference and product."""
    arrays = dict(np.load(scan_file))
    probe = arrays["probeGuess"]
    arrays["probeGuess"] = np.stack([probe * 0.9, np.roll(probe, 3, axis=0) * 0.4])
    np.savez(tmp_path / "modes.npz", **arrays)
    run = train(tmp_path / "modes.npz", tmp_path / "m", sources=Sources(overrides=SMALL), legacy={})
    reconstruct(tmp_path / "modes.npz", tmp_path / "out", model=run.bundle, legacy={})
    with h5py.File(tmp_path / "out" / "product.h5") as product:
        assert product["probe"].shape == (1, 2, 64, 64)


def test_amplitudes_and_counts_train_to_the_same_network(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """Normalised square roots of the same scan, declared as such, give the same losses."""
    arrays = dict(np.load(scan_file))
    arrays["diffraction"] = (np.sqrt(arrays.pop("diff3d")) / 1000).astype(np.float32)
    np.savez(tmp_path / "amplitude.npz", **arrays)
    options = {**SMALL, "torch.scale.domain": "normalized_amplitude"}
    run = train(tmp_path / "amplitude.npz", tmp_path / "m", sources=Sources(overrides=options), legacy={})
    np.testing.assert_allclose(run.record.history.train_loss, trained.record.history.train_loss, rtol=1e-3)
