"""The command that improves an object without a network, on real files."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_config import RefineOptions
from ptycho_torch.api import TrainingRun, reconstruct
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.cli.main import main
from ptycho_torch.errors import DataError
from ptycho_torch.metrics import contrast_and_detail
from ptycho_torch.physics.simulate import natural_object

Output = pytest.CaptureFixture[str]


def test_the_command_refines_from_nothing_but_the_scan(
    scan_file: Path, tmp_path: Path, capsys: Output
) -> None:
    """From the coarse object that the patterns give to one that is like the truth; every file is there."""
    assert main(["refine", str(scan_file), "--output_dir", str(tmp_path), "--quiet"]) == 0
    assert "refined 36 patterns" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"product.h5", "reconstruction.npz", "metrics.json", "amplitude.png", "phase.png"}
    with np.load(tmp_path / "reconstruction.npz") as arrays, np.load(scan_file) as scan:
        object_, (y, x) = arrays["object"], arrays["origin_px"]
        assert arrays["illumination"].min() >= 0
        truth = natural_object("camera", "coins", 100)
        inner = slice(36 - y, 64 - y), slice(36 - x, 64 - x)
        assert scan["probeGuess"].shape == (64, 64)
    contrast, _ = contrast_and_detail(object_[inner], truth[36:64, 36:64])
    assert contrast > 0.9


def test_refining_a_reconstruction_goes_on_from_it(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """R falls from that of the network; as NPZ or as product it is the same start, and in its place."""
    made = reconstruct(trained.bundle, scan_file, tmp_path / "network", legacy={})
    options = RefineOptions(passes=2)
    one, other = (
        refine_scan(scan_file, tmp_path / name, options, start=tmp_path / "network" / name)
        for name in ("reconstruction.npz", "product.h5")
    )
    assert one.metrics["R"] < 0.8 * made.metrics["R"]
    assert one.metrics["R_by_pass"][0] == pytest.approx(made.metrics["R"], rel=0.05)
    assert one.canvas.origin_yx == made.canvas.origin_yx
    np.testing.assert_allclose(other.canvas.object, one.canvas.object, atol=1e-4)


def test_an_object_without_a_place_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """It could lie anywhere; nothing is written."""
    np.save(tmp_path / "object.npy", np.ones((80, 80), np.complex64))
    with pytest.raises(DataError, match="does not say where its object lies"):
        refine_scan(scan_file, tmp_path / "out", RefineOptions(passes=1), start=tmp_path / "object.npy")
    assert not (tmp_path / "out").exists()


def test_a_wrong_option_is_named(scan_file: Path, capsys: Output) -> None:
    """As everywhere."""
    assert main(["refine", str(scan_file), "--set", "alfa=0.2"]) == 2
    assert "did you mean 'alpha'" in capsys.readouterr().err
