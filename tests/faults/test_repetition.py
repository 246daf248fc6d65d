"""Wrong positions whose misfit noise hides are named by a simulated repetition of the reconstruction."""

import attrs
import numpy as np
import pytest
import torch

from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise, with_coarse_object
from ptycho_torch.judgement.fit import Fit, measure_fit
from ptycho_torch.judgement.repetition import compare_repetition, needs_repetition
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.reconstruction.refine_dataset import RefinedDataset, refine_dataset
from ptycho_torch.reconstruction.repetition import PATTERNS, repetition_evidence
from ptycho_torch.records import Canvas, Dataset, Scan
from ptycho_torch.verdict import Evidence
from tests.faults.scans import good

CPU = torch.device("cpu")


def _displaced(dataset: Dataset) -> Dataset:
    moved = np.random.default_rng(0).normal(0, 4, dataset.position_yx.shape).clip(-8, 8)
    return attrs.evolve(dataset, position_yx=dataset.position_yx + moved)


def _evidence(dataset: Dataset) -> tuple[Evidence, ...]:
    options = RefineOptions(passes=12)

    def make(scan: Scan) -> RefinedDataset:
        initial = with_coarse_object(scan).initial
        assert initial is not None
        y, x = canvas_of(scan.centre_yx, 32)[0].long().tolist()
        return refine_dataset(dataset, scan, initial, (y, x), options, seed=0, device=CPU, visible=False)

    def again(scan: Scan) -> Canvas:
        return make(scan).canvas

    made = make(normalise(dataset))
    fit = measure_fit(made.scan, made.canvas, CPU)
    assert fit.is_near_noise
    return repetition_evidence(made.scan, made.canvas, fit, again, seed=1, device=CPU)


@pytest.mark.slow
@pytest.mark.parametrize("photons", [1e3, 3e3])
def test_positions_4_px_off_at_few_photons_are_doubtful(photons: float) -> None:
    """R is near that of noise, and the object at those positions would be fitted better."""
    (found,) = _evidence(_displaced(good(photons=photons)))
    assert (found.name, found.level) == ("repetition", "doubtful")
    assert "Noise may hide that positions, probe or background are wrong" in found.text


@pytest.mark.slow
@pytest.mark.parametrize("photons", [300.0, 1e3, 3e3])
@pytest.mark.parametrize("images", [("coins", "camera"), ("astronaut", "moon")])
@pytest.mark.parametrize(("phase", "darkest"), [(0.15, 0.98), (1.2, 0.6)])
def test_the_right_positions_are_sound(photons: float, images: tuple[str, str], phase: float, darkest: float) -> None:
    """Also of a weak phase object."""
    scan = good(photons=photons, images=images, phase=phase, darkest=darkest)
    assert all(one.level == "sound" for one in _evidence(scan))


@pytest.mark.slow
def test_a_part_of_a_large_scan_tells_the_same() -> None:
    """Patterns in the middle of it, reconstructed by themselves too."""
    parts = [good(seed=seed, photons=1e3) for seed in (1, 2, 3)]
    counts, position = (
        np.concatenate(arrays) for arrays in zip(*((p.intensity[:], p.position_yx) for p in parts), strict=True)
    )
    assert len(counts) > PATTERNS
    (found,) = _evidence(_displaced(attrs.evolve(parts[0], intensity=counts, position_yx=position)))
    assert found.level == "doubtful"


def _fit(explained: float, excess: float, spread: float, noise: float = 0.1) -> Fit:
    """A fit of 100 patterns; excess: of all, as a share of what an object can explain, with this spread."""
    flat, rng = noise + 0.02, np.random.default_rng(0)
    by_pattern = 0.02 * excess / 100 * (1 + spread * np.sign(rng.permutation(np.arange(100) - 49.5)))
    left = noise + 0.02 * (1 - explained)
    by_frame = np.full(100, left)
    return Fit(
        np.zeros((8, 8)), by_frame, R=left, flat=flat, noise=noise, moved=2.0, excess=by_pattern, shared=by_frame
    )


@pytest.mark.parametrize(
    ("share", "spread", "level"),
    [(0.5, 1.0, "doubtful"), (0.05, 0.0, "sound"), (0.5, 3.0, "sound")],
    ids=["much", "little", "by chance"],
)
def test_what_is_left_over_must_be_much_and_no_chance(share: float, spread: float, level: str) -> None:
    """A tenth of what an object can explain, and five standard errors over the patterns."""
    found = compare_repetition(_fit(0.5, share, spread), _fit(0.5, 0.0, 0.0))
    assert (found.level, found.value) == (level, pytest.approx(share))


@pytest.mark.parametrize(("explained", "noise", "needed"), [(0.7, 0.1, True), (0.95, 0.1, False), (0.7, 1e-3, False)])
def test_only_what_noise_may_hide_is_repeated(explained: float, noise: float, *, needed: bool) -> None:
    """Most good scans take no longer."""
    assert needs_repetition(_fit(explained, 0.0, 0.0, noise)) is needed
