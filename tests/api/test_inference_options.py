"""Every option of stitching has the effect that it names."""

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from ptycho_config import Sources
from ptycho_config.schema import InferenceConfig, TorchOptions, TrainingConfig
from ptycho_torch.api import (
    Reconstruction,
    TrainingRun,
    reconstruct,
    refine,
    resolve_inference,
    resolve_training,
    train,
)
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.readers import read_scan
from ptycho_torch.reconstruction.padding import place_on_array
from tests.runs import SMALL

STAR = Path(__file__).parents[1] / "data" / "siemens_star_64.npz"


def _reconstruct(trained: TrainingRun, scan: Path, folder: Path, **options: Any) -> Reconstruction:
    overrides = {name.replace("__", "."): value for name, value in options.items()}
    return reconstruct(scan, folder, model=trained.bundle, sources=Sources(overrides=overrides), legacy={})


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


def test_fitted_scales_improve_the_fit_and_are_recorded(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """The sum of squares of intensities is what they minimise; R falls with it here."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    fitted = _reconstruct(trained, scan_file, tmp_path / "fitted", torch__stitch__varpro_scaling=True)
    assert fitted.metrics.s1 > 0
    assert fitted.metrics.R <= plain.metrics.R * 1.02


def test_the_window_leaves_out_the_border_of_the_pictures_only(
    trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """The object itself is the same."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    cropped = _reconstruct(trained, scan_file, tmp_path / "cropped", torch__stitch__window=10)
    assert np.array_equal(plain.canvas.object, cropped.canvas.object)
    pictures = [imread(made.folder / "phase.png") for made in (plain, cropped)]
    assert pictures[0].shape != pictures[1].shape or not np.array_equal(*pictures)


def test_refinement_improves_the_fit_pass_by_pass(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """Its history is in the metrics, the last pass is better than the first and than none; the passes
    of the training setup are what an inference does unless it is told otherwise."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    refined = _reconstruct(trained, scan_file, tmp_path / "refined", torch__refine__passes=5)
    assert plain.metrics.refine == ()
    assert len(refined.metrics.refine) == 5
    assert refined.metrics.refine[-1] < refined.metrics.refine[0]
    assert refined.metrics.R < 0.5 * plain.metrics.R
    assert refined.metrics.seconds.refine is not None
    setup = Sources(overrides={**SMALL, "torch.refine.passes": 2, "training.nepochs": 1})
    run = train(scan_file, tmp_path / "model", sources=setup, legacy={})
    assert len(_reconstruct(run, scan_file, tmp_path / "out").metrics.refine) == 2


@pytest.mark.parametrize(
    ("option", "stored", "limit"),
    [("refine_probe", ("probe",), 2.0), ("refine_positions", ("probe_position_y_m", "probe_position_x_m"), 1.02)],
)
def test_what_was_refined_beside_the_object_is_in_the_product(
    option: str, stored: tuple[str, ...], limit: float, trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """It is what R is computed with; how far positions were moved is in the metrics."""
    fixed = _reconstruct(trained, scan_file, tmp_path / "fixed", torch__refine__passes=6)
    options = {"torch__refine__passes": 6, f"torch__refine__{option}": True}
    made = _reconstruct(trained, scan_file, tmp_path / "made", **options)
    before, after = (_of_product(run.folder, stored) for run in (fixed, made))
    assert not np.allclose(before, after, rtol=1e-6, atol=0)
    assert limit * fixed.metrics.R > made.metrics.R
    assert made.canvas.object.shape == made.canvas.illumination.shape
    moved = made.metrics.position_corrections
    assert (moved is not None) == (option == "refine_positions")
    if moved is not None:
        distance = np.linalg.norm(after - before, axis=0)
        assert 0 < moved.rms_px < 0.5
        assert moved.max_px == pytest.approx(distance.max(), abs=1e-3)
        assert moved.held == 0


def _of_product(folder: Path, names: tuple[str, ...]) -> NDArray[Any]:
    with h5py.File(folder / "product.h5") as product:
        return np.stack([product[name][()] for name in names])


def test_the_groups_of_an_inference_are_those_of_its_training() -> None:
    """A network that was trained on quadrants is shown quadrants: the distances of the members from the
    centre are those of the training, and not those of the nearest patterns."""
    rule = {"torch.grouping.neighbors": "4_quadrant", "torch.grouping.neighbors.max_neighbor_distance": 30}
    options = {"architecture": "cnn", "gridsize": 2, **rule}
    trained = resolve_training(STAR, sources=Sources(overrides=options))[0].config
    nearest = Sources(overrides={"torch.grouping.neighbors": "nearest"})
    carried, changed = (
        resolve_inference(trained, "m", STAR, sources=sources)[0].config for sources in (Sources(), nearest)
    )
    learned = _member_distances(trained.training, trained.torch)
    np.testing.assert_array_equal(_member_distances(carried.inference, carried.torch), learned)
    assert learned.mean() == pytest.approx(12.6, abs=0.1)
    assert _member_distances(changed.inference, changed.torch).mean() == pytest.approx(8.75, abs=0.1)


def _member_distances(run: TrainingConfig | InferenceConfig, options: TorchOptions) -> NDArray[Any]:
    """From the centre of each group, px."""
    position = read_scan(STAR, "count_intensity").position_yx
    members = plan_groups(position, group_plan(run, options), np.random.default_rng(0)).members
    distance = np.linalg.norm(position[members[:, 1:]] - position[members[:, :1]], axis=-1)
    return np.asarray(distance)


def test_a_scan_is_placed_on_an_array_of_any_size(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """Cut where it is smaller than the canvas, vacuum where no light fell."""
    canvas = _reconstruct(trained, scan_file, tmp_path / "plain").canvas
    y, x = canvas.origin_yx
    height, width = canvas.object.shape
    whole = place_on_array(canvas, (y + height + 5, x + width - 3))
    lit = (canvas.illumination > 0)[:, :-3]
    np.testing.assert_array_equal(whole[y:-5, x:][lit], canvas.object[:, :-3][lit])
    level = np.abs(canvas.object[canvas.illumination > 0]).mean()
    np.testing.assert_allclose(np.abs(whole[-5:]), level, rtol=1e-4)


@pytest.mark.parametrize("start", ["network", "coarse"])
def test_two_halves_of_the_scan_show_resolution_and_expected_errors(
    start: str, trained: TrainingRun, scan_file: Path, tmp_path: Path
) -> None:
    """In the record, the arrays and the report, and the object itself is the same."""
    if start == "network":
        plain = _reconstruct(trained, scan_file, tmp_path / "plain").canvas
        made = _reconstruct(trained, scan_file, tmp_path / "halves", torch__refine__halves=True)
    else:
        plain = refine(scan_file, tmp_path / "plain", passes=2, unknown=()).canvas
        made = refine(scan_file, tmp_path / "halves", passes=2, unknown=(), halves=True)
    np.testing.assert_array_equal(made.canvas.object, plain.object)
    assert made.metrics.halves is not None
    assert made.metrics.halves.sentence in made.metrics.choices
    report = (tmp_path / "halves" / "report.html").read_text()
    assert "Ring correlation" in report
    best, *_, worst = (float(R) for R in re.findall(r"pattern: number \d+, R = ([\d.e-]+)", report))
    assert best <= made.metrics.R <= 2 * worst <= 4
    npz, product = (tmp_path / "halves" / name for name in ("reconstruction.npz", "product.h5"))
    with np.load(npz, allow_pickle=False) as stored, h5py.File(product) as shown:
        for name in ("modulus_deviation", "phase_deviation_rad"):
            assert stored[name].shape == made.canvas.object.shape
            assert (stored[name][np.isfinite(stored[name])] > 0).all()
            np.testing.assert_array_equal(shown[name], stored[name])
