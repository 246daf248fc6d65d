"""Refinement of an object against the patterns of a scan."""

from functools import cache

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_config.errors import ConfigError
from ptycho_config.schema import ModelConfig, RefineOptions
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.physics.diffraction import power
from ptycho_torch.physics.exit_wave_update import exit_wave_change, mean_slope
from ptycho_torch.physics.simulate import (
    Complex,
    SimulatedScan,
    defocused_probe,
    expected_counts,
    natural_object,
    simulate_scan,
)
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Canvas, Dataset, Refined, Scan
from tests.strategies.fields import complex_field

ORIGIN = (0, 0)


def _dataset(simulated: SimulatedScan) -> Dataset:
    return Dataset("simulated", simulated.counts, simulated.position_yx, simulated.probe)


def _scan(simulated: SimulatedScan) -> Scan:
    return normalise(_dataset(simulated))


@cache
def _simulated(photons: float = 1e6, modes: int = 1) -> SimulatedScan:
    """225 patterns of 64x64 of a 160 px object."""
    first = defocused_probe(64, pupil_px=10.0, defocus_rad=6.0)
    second = defocused_probe(64, pupil_px=8.0, defocus_rad=-5.0)
    probe = np.stack([first, 0.5 * np.roll(second, 3, 0)])[:modes]
    return simulate_scan(natural_object("coffee", "chelsea", 160), seed=5, probe=probe, photons=photons)


@cache
def _noiseless(modes: int = 1) -> Scan:
    simulated = _simulated(modes=modes)
    counts = expected_counts(simulated.truth, simulated.probe, simulated.position_yx)
    return _scan(attrs.evolve(simulated, counts=counts))


def _flat(truth: Complex) -> Tensor:
    return torch.ones(*truth.shape, dtype=torch.complex64)


def _near(scan: Scan, truth: Complex) -> Tensor:
    """The truth in the units of the scan, with noise on it."""
    exact = torch.from_numpy(truth) / scan.object_scale
    return exact + 0.1 * complex_field(*exact.shape, seed=1, dtype=torch.complex64)


def _run(scan: Scan, start: Tensor, seed: int = 0, **options: object) -> Refined:
    chosen = RefineOptions(**options)  # type: ignore[arg-type]
    return refine(scan, start, ORIGIN, chosen, rng=np.random.default_rng(seed), device=torch.device("cpu"))


def _score(found: Tensor, truth: Complex) -> tuple[float, float]:
    inner = slice(60, 100)
    return contrast_and_detail(found.numpy()[inner, inner], truth[inner, inner])


def test_passes_end_once_they_gain_next_to_nothing() -> None:
    """With one of two modes R stays where the model is wrong; the last pass is that of all patterns together."""
    simulated = _simulated(modes=2)
    scan = _scan(attrs.evolve(simulated, probe=simulated.probe[:1]))
    options = RefineOptions(passes=40, unknown=())
    rng = np.random.default_rng(0)
    found = refine(scan, _flat(simulated.truth), ORIGIN, options, rng=rng, device=torch.device("cpu"), fewest=8)
    assert 8 < len(found.history) < 40
    assert found.history[-2] > 0.9 * found.history[-6]


@pytest.mark.parametrize("modes", [1, 2])
def test_a_flat_start_becomes_the_object(modes: int) -> None:
    """A few passes from a flat object reach contrast and detail above 0.9, for one mode and for two."""
    simulated = _simulated(modes=modes)
    found = _run(_scan(simulated), _flat(simulated.truth), passes=8)
    contrast, detail = _score(found.object, simulated.truth)
    assert contrast > 0.9
    assert detail > 0.9


def test_every_pass_lowers_the_misfit_of_a_noiseless_scan() -> None:
    """From near the truth, R falls from pass to pass."""
    scan = _noiseless()
    found = _run(scan, _near(scan, _simulated().truth), passes=6)
    assert all(after < before for before, after in zip(found.history, found.history[1:], strict=False))


@pytest.mark.parametrize("modes", [1, 2])
def test_the_truth_stays_the_truth(modes: int) -> None:
    """On a noiseless scan the object that made it is a fixed point."""
    scan = _noiseless(modes)
    truth = torch.from_numpy(_simulated(modes=modes).truth) / scan.object_scale
    found = _run(scan, truth, passes=3, refine_probe=True)
    assert found.history[0] < 1e-9
    assert float((found.object - truth).abs().max()) < 2e-3
    assert float((found.scan.probe - scan.probe).norm() / scan.probe.norm()) < 1e-3


def test_the_coarse_correction_finds_what_passes_leave() -> None:
    """With it, the contrast after four passes from flat is higher than without."""
    simulated = _simulated()
    scan = _scan(simulated)
    without, with_it = (
        _score(_run(scan, _flat(simulated.truth), passes=4, coarse=coarse).object, simulated.truth)[0]
        for coarse in (0, 2)
    )
    assert with_it > without


@pytest.mark.parametrize("photons", [1e4, 1e5, 1e6])
def test_no_photon_count_is_made_worse(photons: float) -> None:
    """A blurred start gains contrast and detail even where most pixels count nothing."""
    simulated = _simulated(photons)
    scan = _scan(simulated)
    blurred = torch.nn.functional.avg_pool2d(
        torch.view_as_real(torch.from_numpy(simulated.truth)).movedim(-1, 0)[None], 5, 1, 2
    )[0]
    start = torch.complex(blurred[0], blurred[1]) / scan.object_scale
    before = _score(start, simulated.truth)
    after = _score(_run(scan, start, passes=4).object, simulated.truth)
    assert after[0] > before[0] - 0.01
    assert after[1] > before[1]


def test_a_wrong_probe_is_corrected_without_a_drift() -> None:
    """Refining a defocused probe lowers R, and keeps the probe's power and mean slope."""
    simulated = _simulated()
    scan = _scan(simulated)
    wrong = torch.from_numpy(defocused_probe(64, pupil_px=10.0, defocus_rad=6.6))[None] * 64
    guess = attrs.evolve(scan, probe=wrong)
    known = _run(guess, _flat(simulated.truth), passes=20)
    refined = _run(guess, _flat(simulated.truth), passes=20, refine_probe=True)

    def error(probe: Tensor) -> float:
        return 1 - float((probe.conj() * scan.probe).sum().abs()) / 64**2

    assert refined.history[-1] < 0.9 * known.history[-1]
    assert error(refined.scan.probe) < 0.5 * error(wrong)
    assert float(refined.scan.probe.abs().square().sum()) == pytest.approx(64**2, rel=1e-4)
    assert torch.allclose(mean_slope(refined.scan.probe), mean_slope(wrong), atol=1e-4)


def test_equal_seeds_give_equal_objects() -> None:
    """The order of the batches is all that is random."""
    simulated = _simulated()
    scan = _scan(simulated)
    first, again, other = (_run(scan, _flat(simulated.truth), seed, passes=2).object for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_passes_leave_the_object() -> None:
    """0 passes are off."""
    simulated = _simulated()
    start = _flat(simulated.truth)
    assert torch.equal(_run(_scan(simulated), start, passes=0).object, start)


def test_pixels_that_do_not_measure_are_left_to_the_model() -> None:
    """Garbage in masked pixels changes nothing."""
    simulated = _simulated()
    scan = _scan(simulated)
    valid_pixels = torch.ones(64, 64, dtype=torch.bool)
    valid_pixels[:4, :4] = False
    garbage = scan.amplitude[torch.arange(len(scan.centre_yx))].clone()
    garbage[:, ~valid_pixels] = 50.0
    found = [
        _run(masked, _flat(simulated.truth), passes=3).object
        for masked in (
            attrs.evolve(scan, amplitude=amplitude, valid_pixels=valid_pixels)
            for amplitude in (scan.amplitude, garbage)
        )
    ]
    assert torch.allclose(found[0], found[1], atol=1e-5)


def test_a_refinement_reads_the_mask_of_its_scan() -> None:
    """80 hot pixels that the dataset marks leave R where it is without them; unmarked ones spoil the fit
    of the pixels that measure too."""
    simulated = _simulated()
    valid = np.ones((64, 64), bool)
    valid.flat[np.random.default_rng(0).choice(64**2, 80, replace=False)] = False
    hot = simulated.counts.copy()
    hot[:, ~valid] = hot.max()
    marked = normalise(attrs.evolve(_dataset(simulated), intensity=hot, valid_pixels=valid))

    def fit(scan: Scan) -> float:
        found = _run(scan, _flat(simulated.truth), passes=4)
        return _r_of_valid(attrs.evolve(found.scan, valid_pixels=marked.valid_pixels), found)

    clean = _run(_scan(simulated), _flat(simulated.truth), passes=4)
    assert fit(marked) < 1.5 * _r_of_valid(clean.scan, clean)
    assert fit(attrs.evolve(marked, valid_pixels=None)) > 3 * fit(marked)


def _r_of_valid(scan: Scan, found: Refined) -> float:
    """R of a refined object, over the valid pixels of a scan."""
    values = (found.object * scan.object_scale).numpy()
    return r_factor(scan, Canvas(values, np.ones(values.shape, np.float32), found.origin_yx))


def test_dark_patterns_say_nothing() -> None:
    """Patterns that were lost as zeros do not darken the object."""
    simulated = _simulated()
    counts = simulated.counts.copy()
    counts[40:48] = 0
    found = _run(_scan(attrs.evolve(simulated, counts=counts)), _flat(simulated.truth), passes=6)
    assert _score(found.object, simulated.truth)[1] > 0.9


def test_unlit_pixels_keep_their_value() -> None:
    """The corner of a canvas that no light reaches stays as it was."""
    simulated = _simulated()
    scan = attrs.evolve(_scan(simulated), centre_yx=_scan(simulated).centre_yx + 40)
    start = torch.full((210, 210), 0.7 + 0.1j, dtype=torch.complex64)
    found = _run(scan, start, passes=3).object
    assert torch.equal(found[:38, :38], start[:38, :38])


def test_patches_beside_the_object_are_refused() -> None:
    """An object that does not hold every patch is an error, not a clip."""
    with pytest.raises(ValueError, match="do not fit an object of"):
        _run(_scan(_simulated()), torch.ones(100, 100, dtype=torch.complex64), passes=1)


def test_a_change_of_wave_is_the_modulus_projection_where_photons_are_many() -> None:
    """Without an offset the changed wave has the measured amplitude, and its misfit is reported."""
    waves = complex_field(3, 2, 16, 16, seed=2)
    amplitude = complex_field(3, 16, 16, seed=3).abs()
    change, misfit, _ = exit_wave_change(waves.clone(), amplitude, 0.0)
    spectrum = torch.fft.fft2(waves, norm="ortho")
    modelled = spectrum.abs().square().sum(1).sqrt()
    changed = torch.fft.fft2(waves + change, norm="ortho").abs().square().sum(1).sqrt()
    assert torch.allclose(changed, amplitude)
    assert misfit == pytest.approx(float((modelled - amplitude).square().sum()))


@pytest.mark.parametrize(("name", "value"), [("passes", -1), ("batch", 0), ("alpha", 1.0), ("coarse", -1)])
def test_impossible_options_are_refused(name: str, value: float) -> None:
    """Each option says what it takes."""
    with pytest.raises(ConfigError, match=name):
        RefineOptions(**{name: value})  # type: ignore[arg-type]


def test_a_refined_probe_keeps_its_power_whatever_that_is() -> None:
    """Not only that of the usual units, so that the object keeps its size."""
    dataset = _dataset(_simulated())
    scan = normalise(dataset, ModelConfig(probe_scale=1.0))
    start = torch.full(_simulated().truth.shape, 0.25, dtype=torch.complex64)
    options = RefineOptions(passes=4, refine_probe=True)
    found = refine(scan, start, (0, 0), options, rng=np.random.default_rng(0), device=torch.device("cpu"))
    assert torch.isclose(power(found.scan.probe).sum(), power(scan.probe).sum(), rtol=1e-4)


def test_a_batch_of_dark_patterns_alone_is_passed_over() -> None:
    """Of one pattern, or of one among others."""
    counts = _simulated().counts.copy()
    counts[3] = 0
    scan = normalise(attrs.evolve(_dataset(_simulated()), intensity=counts))
    start = torch.ones(_simulated().truth.shape, dtype=torch.complex64)
    for batch in (1, 8):
        options = RefineOptions(passes=2, batch=batch)
        found = refine(scan, start, (0, 0), options, rng=np.random.default_rng(0), device=torch.device("cpu"))
        assert bool(torch.isfinite(torch.view_as_real(found.object)).all())
