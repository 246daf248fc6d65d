"""A network that leaves more of held-back pixels than the solver is replaced by it."""

from pathlib import Path

import pytest

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, reconstruct
from ptycho_torch.api.inference import Reconstruction
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.pretrained import PRETRAINED


@pytest.fixture(scope="module")
def wide_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """121 patterns."""
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    write_scan(path, simulate_scan(natural_object("camera", "coins", 130), seed=0))
    return path


def _made(model: Path, scan: Path, folder: Path, **options: object) -> Reconstruction:
    overrides = {"subsample_seed": 1, **options}
    return reconstruct(scan, folder, model=model, sources=Sources(overrides=overrides), legacy={})


def test_the_solver_replaces_a_network_that_is_worse(trained: TrainingRun, wide_scan: Path, tmp_path: Path) -> None:
    """The record says so, and R is lower than with the network, which stays where nothing is to be decided."""
    made = _made(trained.bundle, wide_scan, tmp_path / "solver").metrics
    assert made.network is not None
    assert made.network.start == min(("flat", "coarse"), key=made.network.unexplained.__getitem__)
    assert made.network.unexplained["network"] > made.network.unexplained[made.network.start]
    assert "of the solver" in made.choices[-1]
    kept = _made(trained.bundle, wide_scan, tmp_path / "network", **{"torch.refine.unknown": ()}).metrics
    assert kept.network is None
    assert made.R < kept.R


def test_a_network_that_is_no_worse_than_the_solver_stays(tmp_path: Path) -> None:
    """At 1e4 photons the shipped one gives the object that it gives where nothing is decided."""
    scan = tmp_path / "scan.npz"
    write_scan(scan, simulate_scan(natural_object("camera", "coins", 130), seed=0, photons=1e4))
    made = _made(PRETRAINED, scan, tmp_path / "auto")
    assert made.metrics.network is not None
    assert made.metrics.network.kept
    assert "object: of the network" in made.metrics.choices[-1]
    alone = _made(PRETRAINED, scan, tmp_path / "alone", **{"torch.refine.unknown": ()})
    assert (made.canvas.object == alone.canvas.object).all()
