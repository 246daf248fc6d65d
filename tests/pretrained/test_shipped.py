"""The network that comes with ptycho, on a scan of an object and a probe that it has never seen."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from ptycho_config import Sources
from ptycho_config import load as load_config
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import Reconstruction, load, reconstruct
from ptycho_torch.cli.main import main
from ptycho_torch.data.readers import read_scan
from ptycho_torch.evaluation.metrics import contrast_and_detail, scanned_region
from ptycho_torch.output.bundle import load_bundle, save_bundle
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.pretraining.options import Family
from ptycho_torch.pretraining.train import resolve_recipe
from ptycho_torch.reconstruction.trained_model import restore_model

# Otherwise the object of the solver may replace that of the network.
AS_IT_IS = Sources(overrides={"torch.refine.unknown": (), "torch.refine.passes": 0})


@pytest.fixture(scope="module")
def unseen() -> SimulatedScan:
    """Natural images, of which the family has none, under a lens that is out of focus."""
    probe = defocused_probe(64, pupil_px=11.0, defocus_rad=7.0)[None]
    return simulate_scan(natural_object("coffee", "chelsea", 160), seed=5, probe=probe)


@pytest.fixture(scope="module")
def scan_file(unseen: SimulatedScan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scan as a file."""
    path = tmp_path_factory.mktemp("unseen") / "scan.npz"
    write_scan(path, unseen)
    return path


def _quality(result: Reconstruction, path: Path, truth: SimulatedScan) -> tuple[float, float]:
    rows, columns = scanned_region(read_scan(path, "count_intensity"), result.canvas)
    y, x = result.canvas.origin_yx
    known = truth.truth[rows.start + y : rows.stop + y, columns.start + x : columns.stop + x]
    return contrast_and_detail(result.canvas.object[rows, columns], known)


def test_it_is_small_and_holds_no_code() -> None:
    """Under 5 MB, safetensors and JSON alone."""
    assert PRETRAINED.stat().st_size < 5e6
    with zipfile.ZipFile(PRETRAINED) as archive:
        names = archive.namelist()
    assert sum(name.endswith(".safetensors") for name in names) == 1
    assert all(name.endswith((".json", ".safetensors")) for name in names)


def test_it_says_how_it_was_made() -> None:
    """The derivation that it holds ends in its own configuration; pooled statistics it has none."""
    bundle = load_bundle(PRETRAINED)
    assert load_config(TrainingSetup, bundle.derivation.config) == bundle.setup
    assert bundle.setup == resolve_recipe(Path("shipped"), Family(), []).config
    assert bundle.record.statistics is None


def test_it_reconstructs_what_it_has_never_seen(unseen: SimulatedScan, scan_file: Path, tmp_path: Path) -> None:
    """Contrast and detail without any training; the physics alone, without its weights, does worse."""
    shipped = reconstruct(scan_file, tmp_path / "shipped", sources=AS_IT_IS, legacy={})
    contrast, detail = _quality(shipped, scan_file, unseen)
    assert contrast > 0.9
    assert detail > 0.85
    bundle = load_bundle(PRETRAINED)
    for name, tensor in bundle.weights.items():
        if ".head." in name:
            tensor.zero_()
    (tmp_path / "model").mkdir()
    save_bundle(tmp_path / "model", bundle)
    bare = reconstruct(scan_file, tmp_path / "bare", model=tmp_path / "model", sources=AS_IT_IS, legacy={})
    without = _quality(bare, scan_file, unseen)
    assert contrast > without[0]
    assert detail > without[1]


def test_a_scan_is_all_the_command_needs(scan_file: Path, tmp_path: Path) -> None:
    """`ptycho infer SCAN` as a process of its own."""
    command = [sys.executable, "-m", "ptycho_torch.cli.main", "infer", str(scan_file), "--quiet"]
    subprocess.run([*command, "--output_dir", str(tmp_path / "out")], check=True, capture_output=True)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["inference"]
    assert metrics["R"] < metrics["R_flat"] / 5


def test_the_command_that_made_it_makes_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tiny network for one probe: a bundle that loads, whatever it is worth, with its time, and its quality on a
    further scan beside that of the shipped one."""
    np.save(tmp_path / "probe.npy", defocused_probe(32, pupil_px=6.0, defocus_rad=4.0)[None])
    tiny = ["training.n_groups=2", "torch.net.width=4", "torch.net.stages=1", "torch.overlap.partners=4"]
    command = ["pretrain", str(tmp_path / "out"), "--probe", str(tmp_path / "probe.npy"), "scans=3", "epochs=1"]
    assert main([*command, *tiny]) == 0
    trained = load(tmp_path / "out")
    assert trained.setup.torch.labels.loss == "exit_waves"
    again = restore_model(trained.bundle, "out").state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in trained.model.state_dict().items())
    assert np.isfinite(trained.bundle.record.history.val_loss).all()
    assert json.loads((tmp_path / "out" / "family.json").read_text())["scans"] == 3
    wrote, this, shipped = capsys.readouterr().out.splitlines()[-3:]
    assert "3 scans, 1 epochs" in wrote
    assert "contrast" in this
    assert float(shipped.split("contrast ")[1].split(",")[0]) > 0.8
