"""`ptychodus -b` without a window."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ptychodus.api.assemble import AssembledDiffractionData
from ptychodus.api.geometry import PixelGeometry
from ptychodus.api.io import load_product, save_diffraction_data, save_product

from tests.compat.ptychodus.client import judged
from tests.compat.ptychodus.scans import METADATA, PIXEL, Known, known_scan

ROOT = Path(__file__).parents[3]
SETTINGS = """[Processing]
Algorithm = ptychopinn-torch_unsupervised
[PtychoPINNTorchTraining]
epochs = 2
"""


def write_input(folder: Path, scan: Known) -> None:
    """A folder as the client's batch mode wants it."""
    folder.mkdir()
    patterns = scan.given.diffraction_patterns
    length = METADATA.photon_wavelength_m * METADATA.detector_distance_m / patterns.shape[-1]
    detector = PixelGeometry(length / PIXEL.width_m, length / PIXEL.height_m)
    data = AssembledDiffractionData(np.arange(len(patterns)), patterns, detector, scan.given.bad_pixels)
    save_diffraction_data(folder / "diffraction.h5", data)
    save_product(folder / "product.h5", scan.given.product)
    (folder / "settings.ini").write_text(SETTINGS, encoding="utf-8")


def _batch(action: str, folder: Path, output: Path) -> None:
    command = [sys.executable, "-m", "ptychodus", "-b", action, "-i", str(folder), "-o", str(output)]
    made = subprocess.run(
        command,
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.slow
def test_batch_mode_trains_on_its_own_files_and_reconstructs(tmp_path: Path) -> None:
    """From `diffraction.h5` and `product.h5`, without an export; the model is copied to `model.ckpt`."""
    scan = known_scan(9, 8)
    write_input(tmp_path / "in", scan)
    _batch("train", tmp_path / "in", tmp_path / "trained")
    (model,) = (tmp_path / "trained").rglob("best-checkpoint.ckpt")
    shutil.copy(model, tmp_path / "in" / "model.ckpt")
    _batch("reconstruct", tmp_path / "in", tmp_path / "out")
    (product,) = (tmp_path / "out").glob("product*.h5")
    made = load_product(product).object_.get_array()[0]
    assert made.shape == scan.shape
    contrast, ratio = judged(made, scan, margin=16)
    assert contrast > 0.9
    assert ratio == pytest.approx(1, abs=0.1)
