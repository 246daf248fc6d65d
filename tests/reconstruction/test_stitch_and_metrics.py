"""Stitching and figures of merit on objects that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from ptycho_config.schema import ModelConfig
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail, remove_ramp, scanned_region
from ptycho_torch.physics.simulate import SimulatedScan, expected_counts, natural_object, simulate_scan
from ptycho_torch.reconstruction.r_factor import r_factor_and_flat
from ptycho_torch.reconstruction.stitch import Stitcher
from ptycho_torch.records import Canvas, Dataset


def _scan() -> tuple[SimulatedScan, Dataset]:
    made = simulate_scan(natural_object("camera", "coins", 140), seed=0)
    return made, Dataset("simulated", made.counts, made.position_yx, made.probe)


def _stitched_truth(made: SimulatedScan) -> Canvas:
    centre = torch.from_numpy(np.round(made.position_yx).astype(np.int64))
    side = made.probe.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(made.truth, (side, side))
    corner = centre.numpy() - side // 2
    patches = torch.from_numpy(windows[corner[:, 0], corner[:, 1]].copy())
    weights = torch.from_numpy(np.abs(made.probe[0]) ** 2).expand_as(patches.real)
    stitcher = Stitcher(centre, side, torch.device("cpu"))
    for chunk in torch.arange(len(centre)).split(50):
        stitcher.add(patches[chunk], weights[chunk], centre[chunk])
    return stitcher.canvas(1e-6, 1.0)


def test_true_patches_stitch_to_the_object_at_its_place() -> None:
    """Canvas pixel `[0, 0]` is object pixel `origin_yx`, and every lit value is the object's."""
    made, dataset = _scan()
    canvas = _stitched_truth(made)
    box = scanned_region(dataset, canvas)
    rows, columns = (slice(s.start + o, s.stop + o) for s, o in zip(box, canvas.origin_yx, strict=True))
    np.testing.assert_allclose(canvas.object[box], made.truth[rows, columns], atol=1e-5)
    assert contrast_and_detail(canvas.object[box], made.truth[rows, columns]) == pytest.approx((1, 1), abs=1e-4)


def test_fractional_centres_are_placed_between_pixels() -> None:
    """Half a pixel spreads a point over its neighbours without moving its centre of mass."""
    patch = torch.zeros(1, 4, 4, dtype=torch.complex64)
    patch[0, 2, 2] = 1
    centre = torch.tensor([[10.25, 7.5]])
    stitcher = Stitcher(centre, 4, torch.device("cpu"))
    stitcher.add(patch, torch.ones(1, 4, 4), centre)
    weight = stitcher.weighted.real.numpy()
    grid = np.indices(weight.shape)
    centre_of_mass = (grid * weight).sum(axis=(1, 2)) / weight.sum() + stitcher.origin.numpy()
    np.testing.assert_allclose(centre_of_mass, [10.25, 7.5])


def test_the_r_factor_of_the_truth_is_its_noise_and_a_flat_object_is_far_worse() -> None:
    """The variance of the root of a Poisson number is below 0.45 whatever its mean, so photon
    noise alone gives `R < 0.45 N^2 / photons`."""
    made, dataset = _scan()
    canvas = _stitched_truth(made)
    noise = 0.45 * 64**2 / made.counts.sum(axis=(1, 2)).mean()
    fit, flat = r_factor_and_flat(normalise(dataset), canvas)
    assert fit < noise
    assert flat > 10 * noise


def test_the_r_factor_is_that_of_simulated_patterns() -> None:
    """`sum (sqrt(I) - sqrt(M))^2 / sum I` with the patterns that numpy makes of the same object, and
    of a flat one, at positions between pixels."""
    made, dataset = _scan()
    canvas = _stitched_truth(made)
    scan = normalise(dataset, ModelConfig(probe_scale=3.0))
    uniform = np.full_like(canvas.object, scan.object_scale)
    for got, object_ in zip(r_factor_and_flat(scan, canvas), (canvas.object, uniform), strict=True):
        modelled = expected_counts(object_, made.probe, made.position_yx, canvas.origin_yx)
        misfit = np.square(np.sqrt(made.counts, dtype=np.float64) - np.sqrt(modelled)).sum()
        assert got == pytest.approx(misfit / made.counts.sum(dtype=np.float64), rel=1e-4)


def test_a_flat_and_a_blurred_picture_score_low() -> None:
    """Contrast of nothing is 0; a blurred picture keeps contrast but not detail."""
    truth = natural_object("camera", "coins", 128).astype(np.complex128)
    blurred = gaussian_filter(truth.real, 6) + 1j * gaussian_filter(truth.imag, 6)
    assert contrast_and_detail(np.ones_like(truth), truth)[0] == pytest.approx(0, abs=1e-6)
    contrast, detail = contrast_and_detail(blurred, truth)
    assert contrast > 0.6
    assert detail < 0.4


@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.complex_numbers(min_magnitude=0.1, max_magnitude=10))
def test_ramps_and_factors_do_not_count(slope_y: float, slope_x: float, factor: complex) -> None:
    """What ptychography cannot know is removed exactly, with several phase wraps across the image."""
    truth = natural_object("camera", "coins", 64).astype(np.complex128)
    y, x = np.indices(truth.shape)
    ambiguous = factor * truth * np.exp(1j * (slope_y * y + slope_x * x))
    np.testing.assert_allclose(remove_ramp(ambiguous, truth), truth, atol=1e-6)
