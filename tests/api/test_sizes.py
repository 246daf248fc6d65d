"""Patterns of every size: trained on, reconstructed, and what networks of certain sizes say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, reconstruct, train
from ptycho_torch.cli.main import main
from ptycho_torch.evaluation.compare import compare
from ptycho_torch.evaluation.read import PlacedObject, read_object
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan

TINY: dict[str, Any] = {
    "training.nepochs": 1,
    "training.n_groups": 12,
    "training.neighbor_count": 12,
    "torch.net.width": 4,
    "torch.net.stages": 1,
    "torch.overlap.partners": 4,
}
ALONE: dict[str, Any] = {"torch.net.stitched": False, "torch.overlap.weight": 0.5}


def _scan(path: Path, side: int) -> SimulatedScan:
    """49 patterns of that side, as a file."""
    probe = defocused_probe(side, pupil_px=10.0, defocus_rad=6.0)[None]
    made = simulate_scan(natural_object("camera", "coins", side + 45), seed=0, probe=probe)
    write_scan(path, made)
    return made


def _trained(path: Path, folder: Path, **more: Any) -> TrainingRun:
    return train(path, folder, sources=Sources(overrides=TINY | more), legacy={})


@pytest.mark.parametrize("alone", [{}, ALONE], ids=["stitched", "single patterns"])
@pytest.mark.parametrize("side", [96, 50, 51])
def test_patterns_of_every_size_are_trained_on_and_reconstructed(
    side: int, alone: dict[str, Any], tmp_path: Path
) -> None:
    """96 px, a side that no halving divides, and an odd one, with both unrolled networks."""
    _scan(tmp_path / "scan.npz", side)
    run = _trained(tmp_path / "scan.npz", tmp_path / "run", **alone)
    result = reconstruct(tmp_path / "scan.npz", tmp_path / "out", model=run.bundle, legacy={})
    used = run.configs.config.training.model, result.configs.config.inference.model
    assert [model.N for model in used] == [side, side]
    assert 0.5 * result.metrics.R_flat > result.metrics.R


@pytest.mark.parametrize("side", [96, 51])
def test_the_shipped_network_takes_a_scan_of_every_size(side: int, tmp_path: Path) -> None:
    """`ptycho infer SCAN`: the object is right, and lies where the scan says."""
    truth = _scan(tmp_path / "scan.npz", side).truth
    command = ["infer", str(tmp_path / "scan.npz"), "--quiet", "--output_dir", str(tmp_path / "out")]
    assert main(command) == 0
    for name in ("product.h5", "reconstruction.npz"):
        found = compare(read_object(tmp_path / "out" / name), PlacedObject("truth", truth, (0, 0)))
        assert found.contrast > 0.9
        np.testing.assert_allclose(found.shift_yx, 0.0, atol=0.1)


@pytest.mark.parametrize("given", [[], ["--set", "training.model.N=96"]], ids=["scan", "command line"])
def test_a_network_of_certain_sizes_refuses_others_and_says_what_to_do(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cnn and patterns of 96 px: nothing is written, the message names all ways out."""
    _scan(tmp_path / "scan.npz", 96)
    command = ["train", "--train_data_file", str(tmp_path / "scan.npz"), "--profile", "none", *given]
    assert main([*command, "--quiet", "--output_dir", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "training.model.N: the network 'cnn' takes patterns of 64, 128 or 256 px, got 96" in said
    assert "set architecture=unrolled" in said
    assert "ptycho refine" in said
    assert not (tmp_path / "out").exists()
