"""The real window, driven by its own widgets: list, export, train, infer, and a model that it loads."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from ptycho_torch.cli.main import main
from tests.compat.ptychodus.client import judged
from tests.compat.ptychodus.scans import Known, known_scan
from tests.compat.ptychodus.test_batch import ROOT, write_input

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("PyQt5") is None, reason="the window of ptychodus needs PyQt5"),
]


def _drive(folder: Path, scan: Known, *model: str) -> tuple[float, float]:
    """Contrast and mean amplitude of what the window shows at the end."""
    write_input(folder / "in", scan)
    command = [sys.executable, "-m", "tests.compat.ptychodus.window", str(folder / "in"), str(folder / "out"), *model]
    searched = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": searched, "QT_QPA_PLATFORM": "offscreen"}
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    offers = json.loads((folder / "out" / "offers.json").read_text())
    assert {"ptychopinn-torch_unsupervised", "ptychopinn-torch_supervised"} <= set(offers)
    return judged(np.load(folder / "out" / "object.npy"), scan, 12)


def test_the_shipped_network_infers_without_training(tmp_path: Path) -> None:
    """Exported, loaded by *Load Model...*, and *Infer*."""
    assert main(["export", str(tmp_path / "model.ckpt"), "--quiet"]) == 0
    contrast, amplitude = _drive(tmp_path, known_scan(12, 11), str(tmp_path / "model.ckpt"))
    assert contrast > 0.97
    assert amplitude == pytest.approx(1, abs=0.03)


def test_the_window_exports_trains_and_infers(tmp_path: Path) -> None:
    """*Export Training Data...*, *Train*, *Infer*, in the processes that it starts itself."""
    contrast, amplitude = _drive(tmp_path, known_scan(9, 8))
    assert contrast > 0.9
    assert amplitude == pytest.approx(1, abs=0.1)
