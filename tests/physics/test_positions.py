"""Where a pattern was taken, from what it leaves unexplained."""

from functools import cache

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ptycho_torch.data.scan import split_positions
from ptycho_torch.physics.diffraction import diffraction_intensity, exit_waves, shift_probe
from ptycho_torch.physics.exit_wave_update import exit_wave_change
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.positions import (
    DAMPING,
    LONGEST_STEP_PX,
    PositionEquations,
    position_equations,
    position_steps,
    whole_and_rest,
    within_reach,
)
from ptycho_torch.physics.simulate import defocused_probe, natural_object

SIDE, COUNT = 64, 64
PHOTON = 1e-4


@cache
def _scene(modes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Patches of a natural object, a probe of some modes at random sub-pixel places, true shifts."""
    rng = np.random.default_rng(1)
    object_ = torch.from_numpy(natural_object("coffee", "chelsea", 160))
    first = defocused_probe(SIDE, pupil_px=10.0, defocus_rad=6.0)
    second = defocused_probe(SIDE, pupil_px=8.0, defocus_rad=-5.0)
    probe = torch.from_numpy(np.stack([first, 0.5 * np.roll(second, 3, 0)])[:modes]) * SIDE
    patches = cut(object_, torch.from_numpy(rng.integers(0, 160 - SIDE, (COUNT, 2))), SIDE)
    rest = torch.from_numpy(rng.uniform(-0.5, 0.5, (COUNT, 2))).float()
    return patches, shift_probe(probe, rest), torch.from_numpy(rng.uniform(-0.3, 0.3, (COUNT, 2)))


def _shifted(probes: Tensor, shift_yx: Tensor) -> Tensor:
    moved = [shift_probe(probe, shift[None])[0] for probe, shift in zip(probes, shift_yx.float(), strict=True)]
    return torch.stack(moved)


def _equations(shift_yx: Tensor, modes: int = 1, valid_pixels: Tensor | None = None) -> PositionEquations:
    """Those of noise-free patterns that were taken `shift_yx` beside the place that the model knows."""
    patches, probes, _ = _scene(modes)
    amplitude = diffraction_intensity(patches, _shifted(probes, shift_yx)).sqrt()
    if valid_pixels is not None:
        amplitude[:, ~valid_pixels] = 7.0
    change = exit_wave_change(exit_waves(patches, probes), amplitude, PHOTON, valid_pixels).change
    return position_equations(change, patches, probes, PHOTON, valid_pixels)


def _is_near(estimate: Tensor, true: Tensor) -> bool:
    """To 3 % of the shifts, all together."""
    return float((estimate - true).norm()) < 0.03 * float(true.norm())


def test_small_shifts_are_found_by_one_linear_step() -> None:
    """Undamped, of a known object and without noise: up to 0.3 px in y and x, to 3 %."""
    for modes in (1, 2):
        true = _scene(modes)[2]
        found = _equations(true, modes)
        assert _is_near(torch.linalg.solve(found.curvature, found.pull), true)


def test_a_wrong_sign_or_exchanged_axes_are_no_estimate() -> None:
    """What the test above would not let pass."""
    true = _scene(1)[2]
    found = _equations(true)
    estimate = torch.linalg.solve(found.curvature, found.pull)
    assert not _is_near(-estimate, true)
    assert not _is_near(estimate.flip(1), true)
    assert not _is_near(torch.linalg.solve(found.curvature, 0.5 * found.pull), true)


def test_a_damped_step_points_to_the_true_place() -> None:
    """It leaves less than two fifths of the shifts, and has no mean."""
    true = _scene(1)[2]
    step = position_steps(_equations(true))
    true = true - true.mean(0)
    assert float((step - true).norm()) < 0.4 * float(true.norm())
    assert float(step.mean(0).abs().max()) < 1e-12


def test_what_all_patterns_ask_for_is_not_done() -> None:
    """A shift of the whole scan gives steps much smaller than itself."""
    shift = torch.full((COUNT, 2), 0.2, dtype=torch.float64)
    assert float(position_steps(_equations(shift)).norm()) < 0.3 * float(shift.norm())


def test_an_exact_model_asks_for_nothing() -> None:
    """Where the patterns are those of the model no position is pulled."""
    step = position_steps(_equations(torch.zeros(COUNT, 2)))
    assert float(step.abs().max()) < 1e-4


def test_masked_pixels_pull_no_position() -> None:
    """Garbage on a corner and on the middle of the detector leaves the estimate."""
    valid_pixels = torch.ones(SIDE, SIDE, dtype=torch.bool)
    valid_pixels[:2, :2], valid_pixels[20:24] = False, False
    true = _scene(1)[2]
    found = _equations(true, valid_pixels=valid_pixels)
    assert _is_near(torch.linalg.solve(found.curvature, found.pull), true)


def test_patterns_that_say_nothing_stay() -> None:
    """Of a flat object, alone or beside others that have details; also if some misfit is left there."""
    told = torch.eye(2, dtype=torch.float64).expand(9, 2, 2).clone()
    pull = torch.zeros(9, 2, dtype=torch.float64)
    assert torch.equal(position_steps(PositionEquations(0 * told, pull)), pull)
    told[0] *= 1e-6
    pull[0] = 1e-3
    assert float(position_steps(PositionEquations(told, pull)).norm()) < 2e-3 / DAMPING


def test_no_step_is_longer_than_the_linearisation_is_good() -> None:
    """Whatever is asked for."""
    told = torch.eye(2, dtype=torch.float64).expand(4, 2, 2)
    pull = torch.tensor([[90.0, 0.0], [-90.0, 0.0], [0.0, 60.0], [0.0, -60.0]], dtype=torch.float64)
    assert torch.allclose(position_steps(PositionEquations(told, pull)), LONGEST_STEP_PX * pull.sign())


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 8, 32]))
def test_a_position_is_a_pixel_and_a_rest_within_its_reach(seed: int, reach: int) -> None:
    """The sum is the position, split as the reader of a scan would; none is beyond its reach."""
    rng = np.random.default_rng(seed)
    recorded = torch.from_numpy(rng.uniform(0, 4000, (20, 2)))
    asked = recorded + torch.from_numpy(rng.normal(0, reach, (20, 2)))
    asked[0] = torch.floor(asked[0]) + 0.5
    position = within_reach(asked, recorded, reach)
    centre, fraction = whole_and_rest(position)
    assert float(fraction.abs().max()) <= 0.5
    assert float((centre + fraction.double() - position).abs().max()) < 1e-6
    assert float((position - recorded).abs().max()) <= reach + 1e-6
    inside = (asked - recorded).abs() < reach
    assert float((position - asked)[inside].abs().max()) < 1e-6
    again, rest = split_positions((centre + fraction.double()).numpy())
    assert np.array_equal(again, centre.numpy())
    assert np.array_equal(rest, fraction.numpy())
