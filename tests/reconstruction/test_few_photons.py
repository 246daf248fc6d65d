"""Refinement of an object from few photons."""

from functools import cache

import attrs
import numpy as np
import torch

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import FEW_PHOTONS
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.physics.pupil import Aberration, aberrated_probe
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.few_photons import photons_per_pixel, refine_few_photons
from ptycho_torch.reconstruction.probe_steps import ProbeSteps
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.reconstruction.refine_dataset import follows_counts
from ptycho_torch.records import Dataset, Refined, Scan

CPU = torch.device("cpu")
SIDE = 120
INNER = slice(30, -30)


@cache
def _simulated(photons: float) -> SimulatedScan:
    """Patterns of 32x32 of a 120 px object."""
    probe = defocused_probe(32, pupil_px=7.0, defocus_rad=4.0)[None]
    return simulate_scan(natural_object("coffee", "chelsea", SIDE), seed=5, probe=probe, photons=photons)


@cache
def _scan(photons: float) -> Scan:
    simulated = _simulated(photons)
    return normalise(Dataset("simulated", simulated.counts, simulated.position_yx, simulated.probe))


def _start(scan: Scan) -> Refined:
    return Refined(torch.ones(SIDE, SIDE, dtype=torch.complex64), (0, 0), scan, ())


def _score(found: Refined, photons: float) -> tuple[float, float]:
    return contrast_and_detail(found.object.numpy()[INNER, INNER], _simulated(photons).truth[INNER, INNER])


def test_it_finds_more_than_the_passes_for_many_photons() -> None:
    """At 600 photons a pattern, and the pixels held back ask for a denoiser."""
    scan, photons = _scan(6e2), 6e2
    amplitude = refine(
        scan, _start(scan).object, (0, 0), RefineOptions(passes=12), rng=np.random.default_rng(0), device=CPU
    )
    found, record = refine_few_photons(_start(scan), 12, seed=0, device=CPU)
    before, after = _score(amplitude, photons), _score(found, photons)
    assert after[0] > before[0] + 0.05
    assert after[1] > before[1] + 0.15
    assert record.denoiser_strength > 0
    assert record.unlikely[f"{record.denoiser_strength:g}"] == min(record.unlikely.values())


def test_a_probe_that_is_improved_too_gets_nearer_to_the_truth() -> None:
    """And so does the object, from a probe out of focus by half a radian at 6,000 photons a pattern."""
    photons = 6e3
    scan = _scan(photons)
    wrong = aberrated_probe(scan.probe, Aberration(0.5))
    start = _start(attrs.evolve(scan, probe=wrong))
    kept, improved = (
        refine_few_photons(start, 40, seed=0, device=CPU, probe_too=probe_too)[0] for probe_too in (False, True)
    )
    torch.testing.assert_close(kept.scan.probe, wrong, rtol=0, atol=0)
    assert _likeness(improved.scan.probe, scan.probe) > _likeness(wrong, scan.probe) + 0.01
    assert _score(improved, photons)[1] > _score(kept, photons)[1] + 0.01


def _likeness(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.conj() * other).sum().abs() / one.norm() / other.norm())


def test_a_probe_that_runs_away_goes_back_to_the_likeliest_pass() -> None:
    """And stays there."""
    scan, object_ = _scan(6e2), _start(_scan(6e2)).object
    steps = ProbeSteps(scan, scan.probe, moving=True)
    rows = torch.arange(4)
    for unlikely in (2.0, 1.0, 3.0):
        steps.extrapolate(0.5)
        steps.add(0.1 * scan.probe.expand(4, -1, -1, -1), object_[:32, :32].expand(4, -1, -1), rows)
        probe = steps.probe
        assert steps.follow(object_, 0.1, unlikely) is None
        if unlikely == 1.0:
            likeliest = probe
    steps.extrapolate(0.5)
    assert steps.follow(object_ + 1, 1.0, 9.0) is object_
    torch.testing.assert_close(steps.probe, likeliest, rtol=0, atol=0)
    assert not steps.moving


def test_a_probe_with_components_stays() -> None:
    """They belong to it as it is."""
    scan = _scan(6e2)
    count = len(scan.centre_yx)
    varying = attrs.evolve(scan, components=0.1 * scan.probe, weights=torch.linspace(-1, 1, count)[:, None])
    found, _ = refine_few_photons(_start(varying), 2, seed=0, device=CPU, probe_too=True)
    torch.testing.assert_close(found.scan.probe, scan.probe, rtol=0, atol=0)


def test_masked_pixels_mean_nothing() -> None:
    """Whatever they hold."""
    scan = _scan(6e2)
    valid = torch.ones(32, 32, dtype=torch.bool)
    valid[3, 5] = False
    amplitude = torch.as_tensor(scan.amplitude[torch.arange(len(scan.centre_yx))])
    changed = amplitude.clone()
    changed[:, 3, 5] = 1e4
    one, other = (
        refine_few_photons(_start(attrs.evolve(scan, amplitude=part, valid_pixels=valid)), 3, seed=0, device=CPU)[0]
        for part in (amplitude, changed)
    )
    torch.testing.assert_close(one.object, other.object, rtol=0, atol=0)


def test_photons_are_counted_in_any_unit_of_the_file() -> None:
    """A factor on counts and probe changes nothing; values that are no counts are many photons."""
    simulated = _simulated(6e2)
    scaled = normalise(
        Dataset("scaled", simulated.counts * 7.3, simulated.position_yx, simulated.probe * np.float32(7.3**0.5))
    )
    few = photons_per_pixel(_scan(6e2))
    np.testing.assert_allclose(photons_per_pixel(scaled), few, rtol=1e-4)
    assert few < FEW_PHOTONS
    assert follows_counts(RefineOptions(), scaled)
    assert not follows_counts(RefineOptions(likelihood="amplitude"), scaled)
    smooth = normalise(Dataset("smooth", simulated.counts + np.float32(0.5), simulated.position_yx, simulated.probe))
    noiseless = attrs.evolve(
        smooth, amplitude=torch.rand(len(smooth.centre_yx), 32, 32, generator=torch.Generator().manual_seed(1))
    )
    assert photons_per_pixel(noiseless) > FEW_PHOTONS
