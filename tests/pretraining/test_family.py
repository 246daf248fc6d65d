"""The family of simulated scans that the shipped network was trained on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_torch.errors import DataError
from ptycho_torch.pretraining import family
from ptycho_torch.pretraining.__main__ import main
from ptycho_torch.run_folder import claim_folder

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_probes_are_orthogonal_modes_of_one_spot(seed: int) -> None:
    """Unit energy, orthogonal modes of falling power, a spot that fits the pattern."""
    modes = family.random_probe(np.random.default_rng(seed), 64)
    gram = np.einsum("pyx,qyx->pq", modes.conj(), modes)
    power = np.diag(gram).real
    assert power.sum() == pytest.approx(1.0, abs=1e-5)
    assert np.abs(gram - np.diag(power)).max() < 1e-5
    assert (np.diff(power) < 0).all()
    assert 1.5 < family.rms_radius(modes) < 64 / 3


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.floats(3.0, 15.0))
def test_positions_keep_their_patches_on_the_object(seed: int, step: float) -> None:
    """No patch leaves the object, and the density is that of the step."""
    side, pixels = 200, 64
    position = family.random_positions(np.random.default_rng(seed), side, pixels, step)
    assert position.min() >= pixels / 2
    assert position.max() <= side - pixels / 2
    area = float(np.prod(np.ptp(position, axis=0)))
    assert 0.5 < len(position) * step**2 / area < 2.5


@settings(max_examples=5, deadline=None)
@given(SEEDS)
def test_objects_keep_their_ranges(seed: int) -> None:
    """Moduli from the darkest to 1, phases from 0 to the largest."""
    truth = family.random_object(np.random.default_rng(seed), 80)
    assert family.DARKEST[0] - 1e-4 <= np.abs(truth).min()
    assert np.abs(truth).max() == pytest.approx(1.0, abs=1e-4)
    assert np.angle(truth).min() >= -1e-4
    assert np.angle(truth).max() <= family.PHASE_RAD[1] + 1e-4


def test_a_scan_depends_on_its_seed_alone() -> None:
    """The same generator gives the same scan, another one another."""
    first, again, other = (family.random_scan(np.random.default_rng(seed), side=120) for seed in (1, 1, 2))
    assert np.array_equal(first.counts, again.counts)
    assert np.array_equal(first.truth, again.truth)
    assert first.counts.shape != other.counts.shape or not np.array_equal(first.counts, other.counts)


def test_a_folder_of_another_run_is_refused_before_the_simulation(tmp_path: Path) -> None:
    """With the process that writes there."""
    with claim_folder(tmp_path), pytest.raises(DataError, match="another run writes here: process"):
        main([str(tmp_path), "--scans", "2", "--large", "0"])
