"""Held-back pixels decide between network and solver, and on the passes that follow."""

from pathlib import Path
from typing import Any

import pytest

from ptycho_config import Sources
from ptycho_config.schema import RefineOptions
from ptycho_torch.api import TrainingRun, reconstruct
from ptycho_torch.api.inference import Reconstruction
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.reconstruction.network_trial import CLEARLY_LIKELIER, try_passes


@pytest.fixture(scope="module")
def wide_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """121 patterns."""
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    write_scan(path, simulate_scan(natural_object("camera", "coins", 130), seed=0))
    return path


def _made(model: Path, scan: Path, folder: Path, **options: Any) -> Reconstruction:
    overrides = {"subsample_seed": 1, **options}
    return reconstruct(scan, folder, model=model, sources=Sources(overrides=overrides), legacy={})


def test_the_solver_replaces_a_network_that_is_worse(trained: TrainingRun, wide_scan: Path, tmp_path: Path) -> None:
    """The record says so, and R is lower than with the network, which stays where nothing is to be decided."""
    made = _made(trained.bundle, wide_scan, tmp_path / "solver").metrics
    assert made.network is not None
    assert made.network.start == min(("flat", "coarse"), key=made.network.unexplained.__getitem__)
    assert made.network.unexplained["network, 0 passes"] > made.network.unexplained[made.network.start]
    assert "of the solver" in made.choices[-1]
    kept = _made(trained.bundle, wide_scan, tmp_path / "network", **{"torch.refine.unknown": ()}).metrics
    assert kept.network is None
    assert made.R < kept.R


def test_a_network_that_is_no_worse_than_the_solver_stays(tmp_path: Path) -> None:
    """At 1e4 photons the shipped one gives the object that it gives where nothing is decided."""
    scan = tmp_path / "scan.npz"
    write_scan(scan, simulate_scan(natural_object("camera", "coins", 130), seed=0, photons=1e4))
    made = _made(PRETRAINED, scan, tmp_path / "auto", **{"torch.refine.passes": 0})
    assert made.metrics.network is not None
    assert made.metrics.network.kept
    assert "object: of the network" in made.metrics.choices[-1]
    alone = _made(PRETRAINED, scan, tmp_path / "alone", **{"torch.refine.passes": 0, "torch.refine.unknown": ()})
    assert (made.canvas.object == alone.canvas.object).all()


@pytest.mark.slow
def test_few_photons_are_judged_by_the_likelihood_of_their_counts(trained: TrainingRun, tmp_path: Path) -> None:
    """A network that draws nothing gives way, the shipped one stays; the log-likelihoods say so."""
    scan = tmp_path / "scan.npz"
    write_scan(scan, simulate_scan(natural_object("camera", "coins", 130), seed=0, photons=1e4))
    for number, (model, kept) in enumerate(((PRETRAINED, True), (trained.bundle, False))):
        found = _made(model, scan, tmp_path / str(number), **{"torch.refine.passes": 4}).metrics.network
        assert found is not None
        assert not found.unexplained
        assert min(found.less_likely.values()) == 0
        assert (found.less_likely["network"] <= CLEARLY_LIKELIER) == found.kept == kept


@pytest.mark.parametrize(
    ("left", "options", "passes"),
    [
        ({0: 0.2, 4: 0.201}, {}, 4),
        ({0: 0.2, 4: 0.1, 8: 0.095}, {}, 4),
        ({0: 0.2, 4: 0.1, 8: 0.05}, {}, 8),
        ({0: 0.06, 4: 0.3}, {}, 0),
        ({0: -0.002, 4: 0.004}, {}, 4),
        ({8: 0.3}, {"refine_positions": True}, 12),
        ({3: 0.3}, {"passes": 3}, 3),
        ({0: 0.3}, {"passes": 0}, 0),
    ],
)
def test_passes_are_made_unless_held_back_pixels_speak_against_it(
    left: dict[int, float], options: dict[str, Any], passes: int
) -> None:
    """As many more as they ask for; a number that is given counts."""
    assert try_passes(left.__getitem__, RefineOptions(**options)) == (left, passes)


def test_a_scan_is_refined_unless_told_otherwise(wide_scan: Path, tmp_path: Path) -> None:
    """The object is nearer the patterns than that of the network alone; the record says in how many passes."""
    made, alone = (
        _made(PRETRAINED, wide_scan, tmp_path / str(number), **options).metrics
        for number, options in enumerate(({}, {"torch.refine.passes": 0, "torch.refine.unknown": ()}))
    )
    assert made.network is not None
    assert made.network.passes == len(made.refine) > 0
    assert f"and {len(made.refine)} passes" in made.choices[-1]
    assert alone.refine == ()
    assert made.R < 0.8 * alone.R
