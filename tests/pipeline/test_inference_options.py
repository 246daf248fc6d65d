"""Every option of stitching has the effect that it names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from ptycho_config import Sources
from ptycho_torch.api import Reconstruction, TrainingRun, reconstruct


def _reconstruct(trained: TrainingRun, scan: Path, folder: Path, **options: Any) -> Reconstruction:
    overrides = {name.replace("__", "."): value for name, value in options.items()}
    return reconstruct(trained.bundle, scan, folder, sources=Sources(overrides=overrides), legacy={})


@pytest.mark.parametrize(
    "options",
    [
        {"torch__stitch__patch_weighting": "uniform"},
        {"execution__middle_trim": 32},
        {"torch__stitch__varpro_scaling": True},
        {"torch__stitch__illumination_floor": 0.5},
    ],
    ids=lambda options: next(iter(options)).rpartition("__")[2],
)
def test_a_stitching_option_changes_the_object(
    options: dict[str, Any], trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """Same canvas, other values, all finite."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    changed = _reconstruct(trained, scan_file, tmp_path / "changed", **options)
    assert changed.canvas.origin_yx == plain.canvas.origin_yx
    assert np.isfinite(changed.canvas.object).all()
    assert not np.array_equal(changed.canvas.object, plain.canvas.object)


def test_fitted_scales_improve_the_fit_and_are_recorded(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """The sum of squares of intensities is what they minimise; R falls with it here."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    fitted = _reconstruct(trained, scan_file, tmp_path / "fitted", torch__stitch__varpro_scaling=True)
    assert fitted.metrics["s1"] > 0
    assert fitted.metrics["R"] <= plain.metrics["R"] * 1.02


def test_the_window_leaves_out_the_border_of_the_pictures_only(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """The object itself is the same."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    cropped = _reconstruct(trained, scan_file, tmp_path / "cropped", torch__stitch__window=10)
    assert np.array_equal(plain.canvas.object, cropped.canvas.object)
    pictures = [imread(made.folder / "phase.png") for made in (plain, cropped)]
    assert pictures[0].shape != pictures[1].shape or not np.array_equal(*pictures)
