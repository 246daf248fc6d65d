"""A network of this package as a model file: the client loads it and reconstructs without any training."""

from pathlib import Path

import numpy as np
import pytest

from ptycho_torch.cli import main as umbrella
from ptycho_torch.compat.ptychodus.checkpoint import read_checkpoint
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.pretrained import PRETRAINED
from tests.compat.ptychodus.client import judged, reconstruct_here
from tests.compat.ptychodus.scans import known_scan


def test_the_shipped_network_reconstructs_in_the_client(tmp_path: Path) -> None:
    """Through the client's own child entry point: the network alone, and refined, on a scan it has never seen."""
    scan = known_scan(9, 10)
    found = {}
    for passes in (0, 20):
        target = tmp_path / f"{passes}.ckpt"
        assert umbrella.main(["export", str(target), "--refine-passes", str(passes), "--quiet"]) == 0
        found[passes] = judged(reconstruct_here(target, scan, "Supervised"), scan, 12)
    assert found[0][0] > 0.9
    assert found[20][0] > 0.97
    assert found[20][1] == pytest.approx(1, abs=0.03)


def test_the_file_holds_the_bundle(tmp_path: Path) -> None:
    """Weights, configuration and the client's fields; the mode is that of the training."""
    assert umbrella.main(["export", str(tmp_path / "model.ckpt"), "--quiet"]) == 0
    (bundle, flats), shipped = read_checkpoint(tmp_path / "model.ckpt"), load_bundle(PRETRAINED)
    assert bundle.setup == shipped.setup
    assert all(np.array_equal(bundle.weights[name], tensor) for name, tensor in shipped.weights.items())
    assert flats["model_config"].mode == "Supervised"
    assert flats["inference_config"].refine_passes == 20


@pytest.mark.parametrize(("name", "sentence"), [("model.zip", "end in .ckpt"), ("there.ckpt", "there already")])
def test_a_name_that_cannot_be_is_refused(
    name: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a file that is there stays."""
    (tmp_path / "there.ckpt").write_text("mine")
    assert umbrella.main(["export", str(tmp_path / name)]) == 2
    assert sentence in capsys.readouterr().err
    assert (tmp_path / "there.ckpt").read_text() == "mine"
