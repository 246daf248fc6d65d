"""Every option of stitching has the effect that it names."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.image import imread

from ptycho_config import Sources
from ptycho_torch.api import Reconstruction, TrainingRun, reconstruct, train
from ptycho_torch.predict import on_array
from tests.pipeline.conftest import SMALL


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


def test_refinement_improves_the_fit_pass_by_pass(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """Its history is in the metrics, the last pass is better than the first and than none; the passes
    of the training setup are what an inference does unless it is told otherwise."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    refined = _reconstruct(trained, scan_file, tmp_path / "refined", torch__refine__passes=5)
    assert "refine" not in plain.metrics
    assert len(refined.metrics["refine"]) == 5
    assert refined.metrics["refine"][-1] < refined.metrics["refine"][0]
    assert refined.metrics["R"] < 0.5 * plain.metrics["R"]
    assert set(refined.metrics["seconds"]) == {"loading", "predict_and_stitch", "refine"}
    setup = Sources(overrides={**SMALL, "torch.refine.passes": 2, "training.nepochs": 1})
    run = train(scan_file, tmp_path / "model", sources=setup, legacy={})
    assert len(_reconstruct(run, scan_file, tmp_path / "out").metrics["refine"]) == 2


def test_a_refined_probe_is_that_of_the_product(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """And the one that R is computed with."""
    options = {"torch__refine__passes": 6, "torch__refine__refine_probe": True}
    fixed = _reconstruct(trained, scan_file, tmp_path / "fixed", torch__refine__passes=6)
    made = _reconstruct(trained, scan_file, tmp_path / "made", **options)
    probes = []
    for run in (fixed, made):
        with h5py.File(run.folder / "product.h5") as product:
            probes.append(np.asarray(product["probe"]))
    assert not np.allclose(*probes)
    assert made.metrics["R"] < 2 * fixed.metrics["R"]


def test_refined_positions_are_those_of_the_product(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """How far they were moved is in the metrics; object and light have the canvas that they need."""
    options = {"torch__refine__passes": 5, "torch__refine__refine_positions": True}
    fixed = _reconstruct(trained, scan_file, tmp_path / "fixed", torch__refine__passes=5)
    made = _reconstruct(trained, scan_file, tmp_path / "made", **options)
    positions = []
    for run in (fixed, made):
        with h5py.File(run.folder / "product.h5") as product:
            positions.append(np.stack([product[f"probe_position_{axis}_m"] for axis in "yx"], axis=1))
    distance = np.linalg.norm(positions[1] - positions[0], axis=1)
    figures = made.metrics["position_corrections"]
    assert 0 < figures["rms_px"] < 0.5
    assert figures["max_px"] == pytest.approx(distance.max(), abs=1e-3)
    assert figures["held"] == 0
    assert "position_corrections" not in fixed.metrics
    assert made.metrics["R"] < 1.02 * fixed.metrics["R"]
    assert made.canvas.object.shape == made.canvas.illumination.shape


def test_a_scan_is_placed_on_an_array_of_any_size(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """Cut where it is smaller than the canvas, vacuum where no light fell."""
    canvas = _reconstruct(trained, scan_file, tmp_path / "plain").canvas
    y, x = canvas.origin_yx
    height, width = canvas.object.shape
    whole = on_array(canvas, (y + height + 5, x + width - 3))
    lit = (canvas.illumination > 0)[:, :-3]
    np.testing.assert_array_equal(whole[y:-5, x:][lit], canvas.object[:, :-3][lit])
    level = np.abs(canvas.object[canvas.illumination > 0]).mean()
    np.testing.assert_allclose(np.abs(whole[-5:]), level, rtol=1e-4)
