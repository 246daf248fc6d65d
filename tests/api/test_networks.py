"""Every network trains through the same pipeline, with every forward model and size of group."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, reconstruct, train
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import defocused_probe, natural_object, simulate_scan

NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"architecture": "cnn", "n_filters_scale": 1},
    "cnn, real and imaginary": {
        "architecture": "cnn",
        "n_filters_scale": 1,
        "cnn_output_mode": "real_imag",
        "torch.forward": "rectangular_scaled",
    },
    "cnn, groups of four": {"architecture": "cnn", "n_filters_scale": 1, "gridsize": 2},
    "fno": {"architecture": "fno", "fno_width": 8, "fno_modes": 8},
    "fno_vanilla": {"architecture": "fno_vanilla", "fno_width": 8, "fno_modes": 8},
    "ffno": {"architecture": "ffno", "fno_width": 8, "fno_modes": 8},
    "unrolled": {"architecture": "unrolled", "torch.net.width": 4, "torch.net.stages": 1},
    "unrolled, groups of four": {
        "architecture": "unrolled",
        "torch.net.width": 4,
        "torch.net.stages": 1,
        "gridsize": 2,
    },
}
SHORT = {"nepochs": 5, "batch_size": 8, "subsample_seed": 0, "learning_rate": 2e-3}


def _train(name: str, scan: Path, folder: Path, **more: Any) -> TrainingRun:
    overrides = {**NETWORKS[name], **SHORT, **more}
    return train(scan, folder, profile=None, sources=Sources(overrides=overrides), legacy={})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_few_steps_lower_the_loss(name: str, scan_file: Path, tmp_path: Path) -> None:
    """Some twenty steps; the bundle loads, and the object is finite where there was light."""
    run = _train(name, scan_file, tmp_path)
    losses = run.record.history.train_loss
    assert losses[-1] < losses[0]
    made = reconstruct(scan_file, tmp_path / "out", model=run.bundle, unknown=[], passes=0, legacy={})
    assert np.isfinite(made.canvas.object).all()
    assert made.metrics.patterns == 36


def test_partners_cannot_join_whole_groups(scan_file: Path, tmp_path: Path) -> None:
    """A network that sees four patterns at once has no room for a fifth."""
    with pytest.raises(ValueError, match="the network 'cnn' sees whole groups"):
        _train("cnn, groups of four", scan_file, tmp_path, partners=1, weight=1.0)


def test_the_overlap_term_works_for_single_patterns_of_any_network(scan_file: Path, tmp_path: Path) -> None:
    """It compares patches, whoever made them."""
    run = _train("cnn", scan_file, tmp_path, nepochs=1, partners=1, weight=1.0)
    assert np.isfinite(run.record.history.train_loss).all()


def test_the_uno_trains_where_its_package_is_installed(tmp_path: Path) -> None:
    """Twenty steps on patterns of 128 px lower the loss."""
    pytest.importorskip("neuralop", reason="the optional package neuraloperator is not installed")
    probe = defocused_probe(128, pupil_px=20.0, defocus_rad=6.0)[None]
    scan = simulate_scan(natural_object("camera", "coins", 190), seed=0, probe=probe, step_px=12.0)
    write_scan(tmp_path / "scan.npz", scan)
    overrides = {**SHORT, "architecture": "neuralop_uno", "N": 128, "nepochs": 10}
    run = train(tmp_path / "scan.npz", tmp_path, profile=None, sources=Sources(overrides=overrides), legacy={})
    losses = run.record.history.train_loss
    assert losses[-1] < losses[0]
