"""The family of simulated scans that the shipped network was trained on."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptycho_torch.cli.main import main
from ptycho_torch.pretraining import family
from ptycho_torch.pretraining.options import Family
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
    assert Family().darkest[0] - 1e-4 <= np.abs(truth).min()
    assert np.abs(truth).max() == pytest.approx(1.0, abs=1e-4)
    assert np.angle(truth).min() >= -1e-4
    assert np.angle(truth).max() <= Family().phase_rad[1] + 1e-4


def test_a_scan_depends_on_its_seed_alone() -> None:
    """The same generator gives the same scan, another one another."""
    first, again, other = (family.random_scan(np.random.default_rng(seed), side=120) for seed in (1, 1, 2))
    assert np.array_equal(first.counts, again.counts)
    assert np.array_equal(first.truth, again.truth)
    assert first.counts.shape != other.counts.shape or not np.array_equal(first.counts, other.counts)


def test_a_folder_of_another_run_is_refused_before_the_simulation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the process that writes there."""
    with claim_folder(tmp_path):
        assert main(["pretrain", str(tmp_path), "scans=2", "large=0"]) == 2
    assert "another run writes here: process" in capsys.readouterr().err


def test_all_scans_can_have_one_probe() -> None:
    """Which then is not drawn: scans differ in all else."""
    modes = family.random_probe(np.random.default_rng(3), 32)
    first, other = (family.random_scan(np.random.default_rng(seed), 32, 90, modes=modes) for seed in (1, 2))
    for scan in (first, other):
        assert np.allclose(scan.probe / np.linalg.norm(scan.probe), modes, atol=1e-6)
    assert not np.array_equal(first.truth, other.truth)


WRONG = {
    "two sizes": (["--probe", "a.npy", "large=2"], "patterns have the side of the probe"),
    "reversed": (["photons=[1e5,1e3]"], "is above its highest"),
    "no photons": (["photons=[0,1e3]"], "over their logarithm"),
    "no probe": (["--probe", "missing.npy"], "cannot be read"),
    "another data file": (["training.train_data_file=a.npz"], "are simulated"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is written."""
    given, sentence = WRONG[name]
    assert main(["pretrain", str(tmp_path / "out"), *given]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
