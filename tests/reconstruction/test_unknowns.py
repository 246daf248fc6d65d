"""What of the instrument is not known: chosen by held-back pixels, and estimated."""

import json
from functools import cache

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_config import ConfigError, load
from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise, with_coarse_object
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.output.run_records import to_json
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.refine_dataset import RefinedDataset, refine_dataset
from ptycho_torch.reconstruction.unknowns import KnownDataset, estimate_unknowns
from ptycho_torch.records import Dataset

CPU = torch.device("cpu")
BACKGROUND = 8.0


@cache
def _simulated(modes: int = 1) -> SimulatedScan:
    """225 patterns of 64x64 of a 160 px object at 6e5 photons; further modes as a source of finite size makes them."""
    first = defocused_probe(64, pupil_px=12.0, defocus_rad=-9.0)
    x = np.arange(64) - 32.0
    probe = np.stack([first, 0.06 * first * x])[:modes]
    return simulate_scan(natural_object("astronaut", "brick", 160), seed=3, probe=probe)


def _dataset(simulated: SimulatedScan) -> Dataset:
    return Dataset("s", simulated.counts, simulated.position_yx, simulated.probe[:1])


def _with_background() -> Dataset:
    dataset = _dataset(_simulated())
    added = np.random.default_rng(1).poisson(BACKGROUND, dataset.intensity.shape)
    return attrs.evolve(dataset, intensity=np.asarray(dataset.intensity) + added.astype(np.float32))


def _flux() -> NDArray[np.float64]:
    flux = np.exp(np.random.default_rng(2).normal(0, 0.3, len(_simulated().counts)))
    return np.asarray(flux / flux.mean())


def _with_flux() -> Dataset:
    dataset = _dataset(_simulated())
    counts = np.random.default_rng(1).poisson(np.asarray(dataset.intensity) * _flux()[:, None, None])
    return attrs.evolve(dataset, intensity=counts.astype(np.float32))


def _turned() -> Dataset:
    """Recorded with a scale of 1.04, a rotation of 2 degrees and a drift of 4 px."""
    dataset = _dataset(_simulated())
    place, angle = dataset.position_yx - dataset.position_yx.mean(0), np.deg2rad(2.0)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    drift = np.linspace(-2, 2, len(place))[:, None] * [1.0, -0.6]
    return attrs.evolve(dataset, position_yx=1.04 * place @ rotation.T + drift + dataset.position_yx.mean(0))


def _known(dataset: Dataset, options: RefineOptions = RefineOptions()) -> KnownDataset:
    return estimate_unknowns(dataset, options, seed=0, device=CPU)


def _refined(known: KnownDataset) -> RefinedDataset:
    scan = with_coarse_object(normalise(known.dataset))
    assert scan.initial is not None
    y, x = canvas_of(scan.centre_yx, 64)[0].long().tolist()
    return refine_dataset(
        known.dataset, scan, scan.initial, (y, x), known.options, seed=0, device=CPU, visible=False, fewest=known.fewest
    )


def _score(made: RefinedDataset) -> tuple[float, float]:
    y, x = made.canvas.origin_yx
    inner = made.canvas.object[45 - y : 115 - y, 45 - x : 115 - x]
    return contrast_and_detail(inner, _simulated().truth[45:115, 45:115])


SCANS = {
    "nothing": lambda: _dataset(_simulated()),
    "background": _with_background,
    "flux": _with_flux,
    "positions": _turned,
    "modes": lambda: _dataset(_simulated(2)),
}


@pytest.mark.parametrize("name", SCANS)
def test_what_is_not_known_is_chosen_and_only_that(name: str) -> None:
    """By the misfit of held-back pixels; the record says what each trial left."""
    known = _known(SCANS[name]())
    expected = () if name == "nothing" else (name,)
    assert known.options.unknown == expected
    assert known.choice is not None
    assert known.choice.chosen == expected
    assert known.choice.unexplained["nothing"] > 0
    assert (name if expected else "nothing but the object") in known.choice.sentence


def test_errors_of_the_whole_scan_are_corrected() -> None:
    """Scale, rotation and drift together, to a quarter of the error, a translation apart."""
    known = _known(_turned(), RefineOptions(unknown=("positions",)))
    errors = []
    for dataset in (known.dataset, _refined(known).dataset):
        error = dataset.position_yx - _simulated().position_yx
        errors.append(float(np.sqrt(np.square(error - error.mean(0)).sum(1).mean())))
    assert errors[1] < 0.25 * errors[0]


def test_large_errors_of_positions_get_more_passes_while_they_gain() -> None:
    """Smooth ones of 6 px in y and x; not all passes that they may have."""
    simulated = _simulated()
    angle = np.linspace(0, 2 * np.pi, len(simulated.position_yx))
    error = 6 * np.stack([np.sin(angle), np.cos(angle)], 1)
    moved = attrs.evolve(_dataset(simulated), position_yx=simulated.position_yx + error)
    known = _known(moved, RefineOptions(unknown=("positions",)))
    assert known.fewest is not None
    assert known.fewest < len(_refined(known).passes) < known.options.planned


@pytest.mark.parametrize("name", ["background", "flux"])
def test_the_object_gains_from_what_is_estimated(name: str) -> None:
    """Contrast and detail lack less than half of what they lack without."""
    dataset = SCANS[name]()
    known = _known(dataset, RefineOptions(unknown=(name,), background="constant"))  # type: ignore[arg-type]
    plain = KnownDataset(dataset, RefineOptions(unknown=(), passes=known.options.passes))
    for better, worse in zip(_score(_refined(known)), _score(_refined(plain)), strict=True):
        assert 1 - better < 0.5 * (1 - worse)


def test_the_background_is_found_in_counts() -> None:
    """To a tenth of its value, and smooth over the detector."""
    found = _refined(_known(_with_background(), RefineOptions(unknown=("background",)))).dataset.background
    assert found is not None
    assert float(np.median(found)) == pytest.approx(BACKGROUND, rel=0.1)
    constant = _refined(_known(_with_background(), RefineOptions(unknown=("background",), background="constant")))
    assert constant.dataset.background is not None
    assert np.ptp(constant.dataset.background) == 0
    assert float(constant.dataset.background[0, 0]) == pytest.approx(BACKGROUND, rel=0.1)


def test_the_flux_is_found() -> None:
    """To a quarter of its variation: in the corners of a scan an object that absorbs more explains the patterns too."""
    found = _refined(_known(_with_flux(), RefineOptions(unknown=("flux",)))).dataset.flux
    assert found is not None
    assert float(np.std(np.log(found / _flux()))) < 0.25 * float(np.std(np.log(_flux())))
    assert float(found.mean()) == pytest.approx(1.0)


def test_modes_are_orthogonal_and_keep_their_power() -> None:
    """As many as are asked for, the strongest first."""
    known = _known(SCANS["modes"](), RefineOptions(unknown=("modes",), modes=3))
    assert len(known.dataset.probe) == 3
    probe = _refined(known).dataset.probe.reshape(3, -1)
    product = np.abs(probe.conj() @ probe.T)
    assert product[~np.eye(3, dtype=bool)].max() < 1e-3 * product.max()
    assert (np.diff(np.diag(product)) < 0).all()
    assert np.sum(np.diag(product)) == pytest.approx(float(np.sum(np.abs(_simulated(2).probe[:1]) ** 2)), rel=1e-3)


def test_a_fixed_part_is_never_chosen() -> None:
    """However wrong it is."""
    known = estimate_unknowns(_turned(), RefineOptions(), seed=0, device=CPU, fixed=("positions", "probe", "modes"))
    assert "positions" not in known.options.unknown
    known = _known(_with_background(), RefineOptions(background="none"))
    assert "background" not in known.options.unknown


def test_patterns_that_do_not_differ_choose_nothing() -> None:
    """And have a record that JSON can hold."""
    dataset = _dataset(_simulated()).select(np.arange(36))
    same = attrs.evolve(dataset, intensity=np.repeat(dataset.intensity[:1], 36, axis=0))
    known = estimate_unknowns(same, RefineOptions(unknown="auto"), seed=0, device=CPU, fixed=("probe",))
    assert known.choice is not None
    assert known.choice.chosen == ()
    json.dumps(to_json(known.choice), allow_nan=False)


def test_a_background_that_is_none_and_unknown_is_refused() -> None:
    """The message names both options."""
    with pytest.raises(ConfigError, match="background: is none, but unknown names it"):
        load(RefineOptions, {"unknown": ["background"], "background": "none"})


def test_a_probe_that_drifts_away_is_left_at_its_best() -> None:
    """A probe that fills its window wraps around when it is shifted, and its updates do not settle."""
    wide = defocused_probe(64, pupil_px=7.0, defocus_rad=17.0)[None]
    simulated = simulate_scan(natural_object("astronaut", "brick", 160), seed=3, probe=wide, photons=1e6)
    turned = simulated.probe * np.exp(0.3j * np.sin(np.arange(64) / 5.0))
    dataset = Dataset("s", simulated.counts, simulated.position_yx, turned.astype(np.complex64))
    passes = _refined(KnownDataset(dataset, RefineOptions(unknown=("probe",), passes=16, average=0))).passes
    assert max(passes[3:]) > 1.5 * min(passes)
    assert passes[-1] < 1.1 * min(passes)
