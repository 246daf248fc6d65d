"""Refinement of an object from patterns that hardly overlap."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.physics.spacing import linear_overlap
from ptycho_torch.reconstruction.denoised_ascent import FIRST, MOST, RATIO, photon_levels
from ptycho_torch.reconstruction.refine_dataset import RefinedDataset, refine_dataset
from ptycho_torch.reconstruction.sparse_scan import most_sparse_passes, refine_sparse
from ptycho_torch.records import Dataset, Refined, Scan

CPU = torch.device("cpu")
SIDE, INNER = 64, slice(16, -16)
ALONE = RefineOptions(unknown=(), likelihood="amplitude")


def _simulated(step_px: float) -> tuple[SimulatedScan, Dataset, Scan]:
    """Patterns of 32 px; the beam is 13 px wide."""
    probe = defocused_probe(32, pupil_px=7.0, defocus_rad=4.0)[None]
    truth = natural_object("coffee", "chelsea", SIDE)
    made = simulate_scan(truth, seed=5, probe=probe, photons=1e6, step_px=step_px)
    dataset = Dataset("simulated", made.counts, made.position_yx, made.probe)
    return made, dataset, normalise(dataset)


def _from_flat(dataset: Dataset, scan: Scan, options: RefineOptions) -> RefinedDataset:
    flat = torch.ones(SIDE, SIDE, dtype=torch.complex64)
    return refine_dataset(dataset, scan, flat, (0, 0), options, seed=0, device=CPU, visible=False)


def test_what_is_known_of_objects_stands_in_for_overlap() -> None:
    """Patterns side by side: the passes alone end far from the object, and held-back pixels tell."""
    made, dataset, scan = _simulated(13.0)
    alone, found = (_from_flat(dataset, scan, options) for options in (ALONE, RefineOptions(unknown=())))
    before, after = (
        contrast_and_detail(one.canvas.object[INNER, INNER], made.truth[INNER, INNER]) for one in (alone, found)
    )
    assert max(before) < 0.7
    assert min(after) > 0.9
    assert alone.sparse is None
    assert found.sparse is not None
    assert found.sparse.kept
    assert found.sparse.misfit < found.sparse.misfit_passes / 2
    assert len(alone.passes) < len(found.passes) <= len(alone.passes) + most_sparse_passes(scan)


def test_an_object_that_explains_the_patterns_stays() -> None:
    """The true one, to the last digit."""
    made, _, scan = _simulated(30.0)
    truth = torch.from_numpy(made.truth).to(torch.complex64) / scan.object_scale
    found, record = refine_sparse(Refined(truth, (0, 0), scan, (0.1,)), seed=0, device=CPU)
    assert not record.kept
    assert record.misfit_passes < record.misfit
    assert torch.equal(found.object, truth)
    assert found.history == (0.1,)
    assert "by the passes alone" in record.sentence


def test_patterns_that_overlap_are_refined_by_the_passes() -> None:
    """Nothing else is tried."""
    _, dataset, scan = _simulated(5.0)
    one, other = (_from_flat(dataset, scan, options) for options in (ALONE, RefineOptions(unknown=())))
    assert other.sparse is None
    np.testing.assert_array_equal(one.canvas.object, other.canvas.object)


@given(st.floats(1e-3, 1e30))
def test_levels_rise_from_few_photons_to_all(per_pixel: float) -> None:
    """In equal ratios, at least two, and no more than noise asks for."""
    levels = photon_levels(per_pixel)
    assert len(levels) > 1
    assert levels[0] <= FIRST
    assert levels[-1] == min(per_pixel, MOST)
    np.testing.assert_allclose(np.divide(levels[1:], levels[:-1]), RATIO)


@pytest.mark.parametrize(("step", "overlap"), [(0.0, 1.0), (5.0, 0.5), (10.0, 0.0), (30.0, 0.0)])
def test_overlap_is_what_neighbours_share_of_the_width(step: float, overlap: float) -> None:
    """Of a disc of 10 px, on a line."""
    y, x = np.indices((64, 64)) - 31.5
    positions = np.array([[0.0, 0.0], [0.0, step], [0.0, 2 * step]])
    assert linear_overlap(positions, (np.hypot(y, x) < 5).astype(float)) == pytest.approx(overlap, abs=0.02)
