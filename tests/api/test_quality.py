"""Does it still reconstruct? Minutes of training, run by `make slow`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ptycho_torch.api import reconstruct, train

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def test_a_network_trained_on_one_object_reconstructs_another() -> None:
    """Contrast and detail of the unseen object are at least 0.70, without any shift."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "simulated_pair.py"], capture_output=True, text=True, check=True
    )
    unseen = json.loads(done.stdout.splitlines()[-1])["unseen"]
    assert unseen["contrast"] >= 0.70
    assert unseen["detail"] >= 0.70


def test_the_siemens_star_is_fitted(tmp_path: Path) -> None:
    """Trained on itself with the recommended profile, R is at most 0.020; a flat object has 0.058."""
    scan = ROOT / "tests" / "data" / "siemens_star_64.npz"
    result = reconstruct(scan, tmp_path, model=train(scan, tmp_path, legacy={}).bundle, legacy={})
    assert result.metrics.R_flat == pytest.approx(0.058, abs=0.001)
    assert result.metrics.R <= 0.020
