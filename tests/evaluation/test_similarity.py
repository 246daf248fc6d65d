"""Similarity of real images: agreement with scikit-image, torchmetrics and the golden numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage import data
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from ptycho_torch.evaluation.similarity import (
    contrast_structure,
    halve,
    multi_scale_ssim,
    psnr_db,
    similarity,
    ssim,
    wrap_phase,
)

GOLDEN = np.load(Path(__file__).parents[1] / "parity" / "physics" / "vectors" / "frc.npz")
PICTURE = data.camera()[100:324, 100:324].astype(np.float64) / 255
NOISE = np.random.default_rng(0).normal(size=PICTURE.shape)


def test_equal_images_are_equal() -> None:
    """No error, similarity 1, and no PSNR, which would be infinite."""
    made = similarity(PICTURE, PICTURE)
    assert (made.mae, made.mse, made.psnr_db) == (0, 0, None)
    assert (made.ssim, made.ms_ssim) == (pytest.approx(1), pytest.approx(1))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 1.0), st.floats(0.1, 1000.0))
def test_figures_follow_their_formulas_in_any_unit(noise: float, unit: float) -> None:
    """Relative figures do not change with the unit; errors scale with it and its square."""
    image = PICTURE + noise * NOISE
    one, other = similarity(image, PICTURE), similarity(unit * image, unit * PICTURE)
    assert one.mse == pytest.approx(noise**2 * np.square(NOISE).mean())
    assert one.psnr_db == pytest.approx(10 * np.log10(np.ptp(PICTURE) ** 2 / one.mse))
    assert other.mae == pytest.approx(unit * one.mae)
    assert other.mse == pytest.approx(unit**2 * one.mse)
    for name in ("psnr_db", "ssim", "ms_ssim"):
        assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-9)


def test_worse_images_score_lower() -> None:
    """All figures order noise and blur."""
    for spoiled in (
        [PICTURE + width * NOISE for width in (0.02, 0.1, 0.3)],
        [gaussian_filter(PICTURE, width) for width in (0.5, 1.5, 4.0)],
    ):
        made = [similarity(image, PICTURE) for image in spoiled]
        for name in ("psnr_db", "ssim", "ms_ssim"):
            values = [getattr(figures, name) for figures in made]
            assert values == sorted(values, reverse=True), name


def test_the_similarity_is_that_of_scikit_image() -> None:
    """With the Gaussian window and the population variance of Wang et al. 2004."""
    image = PICTURE + 0.1 * NOISE
    expected = structural_similarity(
        image, PICTURE, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(image, PICTURE, 1.0) == pytest.approx(expected)


def test_contrast_is_what_the_similarity_is_where_means_agree() -> None:
    """Far from zero the comparison of local means is 1, and only contrast and structure are left."""
    image, truth = PICTURE + 0.1 * NOISE + 1e3, PICTURE + 1e3
    assert contrast_structure(image, truth, 1.0) == pytest.approx(ssim(image, truth, 1.0), abs=1e-6)


@pytest.mark.parametrize("spoiled", [PICTURE + 0.1 * NOISE, gaussian_filter(PICTURE, 2.0)])
def test_the_multi_scale_similarity_is_that_of_torchmetrics(spoiled: NDArray[np.float64]) -> None:
    """An independent implementation of Wang et al. 2003 differs by its treatment of borders only."""
    pair = (torch.from_numpy(image)[None, None] for image in (spoiled, PICTURE))
    theirs = float(multiscale_structural_similarity_index_measure(*pair, data_range=1.0))
    assert multi_scale_ssim(spoiled, PICTURE, 1.0) == pytest.approx(theirs, abs=0.003)


def test_halving_does_not_alias() -> None:
    """The finest stripes become grey, as a low-pass makes them; every second pixel would be black."""
    stripes = np.tile([0.0, 1.0], (8, 4))
    np.testing.assert_array_equal(halve(stripes), 0.5)
    assert halve(np.ones((7, 9))).shape == (3, 4)


def test_small_images_use_fewer_scales() -> None:
    """One scale is the similarity itself."""
    image, truth = (PICTURE + 0.1 * NOISE)[:21, :40], PICTURE[:21, :40]
    assert multi_scale_ssim(image, truth, 1.0) == pytest.approx(ssim(image, truth, 1.0))


def test_opposite_contrast_scores_nothing() -> None:
    """Negative means count as 0, not as roots of negative numbers."""
    assert multi_scale_ssim(-PICTURE, PICTURE, 1.0) == 0.0


def test_errors_are_the_golden_ones_and_the_peak_is_the_range_of_the_truth() -> None:
    """MAE and MSE after scaling to equal means. The golden PSNR takes 255 as the peak of images
    of unit range; the range of the truth takes that off, and nothing else."""
    truth, image = (GOLDEN[name].astype(np.float64) for name in ("amp_t", "amp_u"))
    scaled = similarity(image * truth.mean() / image.mean(), truth)
    assert scaled.mae == pytest.approx(float(GOLDEN["mae"]), rel=1e-5)
    assert scaled.mse == pytest.approx(float(GOLDEN["mse"]), rel=1e-5)
    ours = psnr_db(image, truth, float(np.ptp(truth)))
    assert ours == pytest.approx(float(GOLDEN["psnr"]) - 20 * np.log10(255 / np.ptp(truth)), abs=1e-4)


def test_the_golden_multi_scale_similarity_is_another_definition() -> None:
    """It decimates without a low-pass, compares means at all scales and blurs by 1 px before:
    for nearly equal images both are close to 1, and ours sees more of the fine noise."""
    truth, image = GOLDEN["big_a"], GOLDEN["big_b"]
    ours = multi_scale_ssim(image, truth, float(np.ptp(truth)))
    assert 0.9 < ours < float(GOLDEN["ms_ssim"])


def test_a_truth_without_contrast_has_no_relative_figures() -> None:
    """The amplitude of a phase object: errors yes, similarity to nothing no."""
    flat = np.ones((32, 32))
    made = similarity(flat + 0.1, flat + 1e-9 * np.eye(32), rounding=1e-6)
    assert made.mae == pytest.approx(0.1, abs=1e-6)
    assert (made.psnr_db, made.ssim, made.ms_ssim) == (None, None, None)


@given(st.floats(-3.0, 3.0), st.integers(-5, 5))
def test_whole_turns_do_not_count(angle: float, turns: int) -> None:
    """Wrapped phases are in (-pi, pi]."""
    np.testing.assert_allclose(wrap_phase(np.array(angle + 2 * np.pi * turns)), angle, atol=1e-9)
