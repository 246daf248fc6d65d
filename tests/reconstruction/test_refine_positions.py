"""Refinement of scan positions together with the object."""

from functools import cache

import attrs
import numpy as np
import pytest
import torch
from torch import Tensor

from ptycho_config import ConfigError
from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.output.choice_records import PositionCorrections
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.physics.positions import reach_px
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.position_steps import position_corrections
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Dataset, Refined, Scan

PLAIN = RefineOptions()
SIDE = 64


@cache
def _simulated() -> SimulatedScan:
    """144 patterns of 64x64 of a 136 px object."""
    return simulate_scan(natural_object("coffee", "chelsea", 136), seed=5, photons=1e6)


def _recorded(error_px: float) -> Scan:
    """The scan with random errors of its positions."""
    simulated = _simulated()
    errors = np.random.default_rng(7).normal(0, error_px, simulated.position_yx.shape)
    return normalise(Dataset("simulated", simulated.counts, simulated.position_yx + errors, simulated.probe))


def _run(scan: Scan, passes: int = 10, **options: object) -> Refined:
    low, height, width = canvas_of(scan.centre_yx, SIDE)
    y, x = low.long().tolist()
    start = torch.ones(height, width, dtype=torch.complex64)
    chosen = RefineOptions(passes=passes, **options)  # type: ignore[arg-type]
    return refine(scan, start, (y, x), chosen, rng=np.random.default_rng(0), device=torch.device("cpu"))


@cache
def _corrected(error_px: float) -> Refined:
    return _run(_recorded(error_px), refine_positions=True)


def _error(position_yx: Tensor) -> float:
    """Root mean square distance from the true places, a translation of all apart."""
    beside = position_yx - torch.from_numpy(_simulated().position_yx)
    return float((beside - beside.mean(0)).square().sum(1).mean().sqrt())


def _are_corrected(position_yx: Tensor, scan: Scan) -> bool:
    """To less than a quarter of the error."""
    return _error(position_yx) < 0.25 * _error(scan.position_yx)


def _score(found: Refined) -> tuple[float, float]:
    y, x = found.origin_yx
    inner = found.object.numpy()[50 - y : 86 - y, 50 - x : 86 - x]
    return contrast_and_detail(inner, _simulated().truth[50:86, 50:86])


def test_errors_of_a_pixel_are_corrected_and_the_object_gains() -> None:
    """Positions come to a quarter of their error, contrast and detail are better than without."""
    scan = _recorded(1.0)
    found, plain = _corrected(1.0), _run(scan)
    assert _are_corrected(found.scan.position_yx, scan)
    assert found.history[-1] < 0.6 * plain.history[-1]
    for with_positions, without in zip(_score(found), _score(plain), strict=True):
        assert 1 - with_positions < 0.5 * (1 - without)


def test_steps_the_other_way_would_not_pass() -> None:
    """The same corrections with the opposite sign, and of the other axis, are seen by the test above."""
    scan = _recorded(1.0)
    recorded = scan.position_yx
    moved = _corrected(1.0).scan.position_yx - recorded
    assert not _are_corrected(recorded - moved, scan)
    assert not _are_corrected(recorded + moved.flip(1), scan)


def test_exact_positions_stay() -> None:
    """They move by less than 0.15 px, and the fit is not worse."""
    scan = _recorded(0.0)
    found, plain = _corrected(0.0), _run(scan)
    assert position_corrections(scan, found, PLAIN).rms_px < 0.15
    assert found.history[-1] < 1.02 * plain.history[-1]


def test_positions_and_a_wrong_probe_are_corrected_together() -> None:
    """Both lower R more than one of them, and the positions still come nearer to the truth."""
    scan = _recorded(1.0)
    wrong = torch.from_numpy(defocused_probe(SIDE, pupil_px=10.0, defocus_rad=6.6))[None] * SIDE
    guess = attrs.evolve(scan, probe=wrong)
    one, other, both = (
        _run(guess, 12, refine_probe=probe, refine_positions=positions)
        for probe, positions in ((True, False), (False, True), (True, True))
    )
    assert both.history[-1] < 0.95 * min(one.history[-1], other.history[-1])
    assert _are_corrected(both.scan.position_yx, scan)


def test_the_scan_as_a_whole_and_its_canvas_stay_in_place() -> None:
    """The mean position is that of the scan; every patch lies on an object that has grown around
    the one given, and the rest of a position is at most half a pixel."""
    scan, found = _recorded(1.0), _corrected(1.0)
    assert torch.allclose(found.scan.position_yx.mean(0), scan.position_yx.mean(0), atol=1e-5)
    assert float(found.scan.fraction_yx.abs().max()) <= 0.5
    corner = found.scan.centre_yx - SIDE // 2 - torch.tensor(found.origin_yx)
    assert int(corner.min()) >= 0
    assert bool((corner.amax(0) + SIDE <= torch.tensor(found.object.shape)).all())
    low, height, width = canvas_of(scan.centre_yx, SIDE)
    assert bool((torch.tensor(found.origin_yx) <= low).all())
    far = torch.tensor(found.origin_yx) + torch.tensor(found.object.shape)
    assert bool((far >= low + torch.tensor([height, width])).all())


def test_a_position_beyond_its_reach_is_held_and_counted() -> None:
    """A pattern of somewhere else moves by an eighth of the frame at most, in y and in x."""
    scan = _recorded(0.0)
    centre = scan.centre_yx.clone()
    centre[66] += torch.tensor([11, 0])
    wrong = attrs.evolve(scan, centre_yx=centre)
    found = _run(wrong, 16, refine_positions=True)
    moved = found.scan.position_yx - wrong.position_yx
    assert float(moved[66].abs().max()) <= reach_px(SIDE) + 1e-5
    assert float(moved[66].norm()) > 1.0
    assert position_corrections(wrong, found, PLAIN).max_px == pytest.approx(float(moved[66].norm()), abs=1e-3)
    held = attrs.evolve(found, scan=attrs.evolve(wrong, centre_yx=centre - torch.tensor([reach_px(SIDE), 0])))
    assert position_corrections(wrong, held, PLAIN) == PositionCorrections(rms_px=8.0, max_px=8.0, held=len(centre))


def test_patterns_without_light_keep_their_position() -> None:
    """They say nothing, alone in a batch or beside others."""
    scan = _recorded(1.0)
    dark = scan.amplitude[torch.arange(len(scan.centre_yx))].clone()
    dark[40:48] = 0
    lost = attrs.evolve(scan, amplitude=dark)
    for batch in (1, 64):
        found = _run(lost, 4, refine_positions=True, batch=batch)
        moved = (found.scan.position_yx - scan.position_yx).abs()
        assert float(moved[40:48].max()) < 1e-6
        assert float(moved[:40].max()) > 0.1


def test_positions_are_those_of_the_scan_unless_asked_for() -> None:
    """Off by default; too few passes to begin with them are refused."""
    scan = _recorded(1.0)
    found = _run(scan, 3)
    assert torch.equal(found.scan.centre_yx, scan.centre_yx)
    assert torch.equal(found.scan.fraction_yx, scan.fraction_yx)
    assert found.object.shape == canvas_of(scan.centre_yx, SIDE)[1:]
    with pytest.raises(ConfigError, match=r"refine_positions: would have no effect in 2 passes"):
        RefineOptions(passes=2, refine_positions=True)
    with pytest.raises(ConfigError, match=r"refine_probe: would have no effect in 0 passes"):
        RefineOptions(passes=0, refine_probe=True)
