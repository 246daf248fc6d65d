"""The search for a probe that a scan does not have, or has wrong."""

from functools import cache
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_config.schema.refine import RefineOptions
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.errors import DataError
from ptycho_torch.physics.pupil import Aberration, defocus_phases, pupil_probe, rms_frequency
from ptycho_torch.physics.simulate import SimulatedScan, defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.joint_updates import KNOWN_PROBE, RETRIEVAL, JointUpdates
from ptycho_torch.reconstruction.pattern_sample import pattern_sample, summarise, telling_rows
from ptycho_torch.reconstruction.unknowns import KnownDataset, estimate_unknowns
from ptycho_torch.records import Dataset

CPU = torch.device("cpu")
STAR = Path(__file__).parent.parent / "data" / "siemens_star_64.npz"
Complex = NDArray[np.complex64]


@cache
def _simulated() -> SimulatedScan:
    """225 patterns of 64x64 of a 160 px object, with a pupil of 12 px and -9 rad of defocus at its edge."""
    probe = defocused_probe(64, pupil_px=12.0, defocus_rad=-9.0)[None]
    return simulate_scan(natural_object("astronaut", "brick", 160), seed=3, probe=probe)


def _dataset(guess: Complex | None) -> Dataset:
    simulated = _simulated()
    focused = defocused_probe(64, pupil_px=12.0, defocus_rad=0.0)
    probe = np.abs(np.linalg.norm(simulated.probe)) * (focused if guess is None else guess)[None]
    stored = guess is not None
    return Dataset("s", simulated.counts, simulated.position_yx, probe.astype(np.complex64), probe_known=stored)


def _disk() -> Complex:
    y, x = np.indices((64, 64)) - 32
    disk = (np.hypot(y, x) < 14).astype(np.complex64)
    return disk / np.float32(np.linalg.norm(disk))


def _known(dataset: Dataset, unknown: object = "auto") -> KnownDataset:
    return estimate_unknowns(dataset, RefineOptions(passes=3, unknown=unknown), seed=0, device=CPU)  # type: ignore[arg-type]


def _overlap(probe: Complex) -> float:
    """Of the probe with the true one: the largest normalised correlation over shifts, which no pattern shows."""
    truth = _simulated().probe[0]
    correlation = np.fft.ifft2(np.fft.fft2(probe) * np.fft.fft2(truth).conj())
    return float(np.abs(correlation).max() / np.linalg.norm(probe) / np.linalg.norm(truth))


GUESSES = {
    "none": None,
    "disk": _disk(),
    "defocus of the other sign": defocused_probe(64, pupil_px=12.0, defocus_rad=9.0),
    "a third of the defocus": defocused_probe(64, pupil_px=12.0, defocus_rad=-3.0),
}


# Each takes seconds; those after the first run in `make slow`.
GUESS_NAMES = [pytest.param(name, marks=() if name == "disk" else pytest.mark.slow) for name in GUESSES]


@pytest.mark.parametrize("name", GUESS_NAMES)
def test_the_probe_is_retrieved(name: str) -> None:
    """From no probe, a disk, or a wrong defocus; it is refined afterwards, in enough passes."""
    found = _known(_dataset(GUESSES[name]))
    assert _overlap(found.dataset.probe[0]) > 0.95
    assert found.options.unknown == ("probe",)
    assert found.options.passes == 12
    assert found.probe is not None
    assert (found.probe.misfit_file is None) == (GUESSES[name] is None)
    assert "retrieved from" in found.probe.sentence


@pytest.mark.slow
def test_a_defocus_that_is_a_little_wrong_is_corrected() -> None:
    """By 13 %: although it leaves little unexplained, at another focus the probe leaves clearly less."""
    found = _known(_dataset(defocused_probe(64, pupil_px=12.0, defocus_rad=-7.8)))
    assert found.options.unknown == ("probe",)
    assert _overlap(found.dataset.probe[0]) > 0.95


def test_a_probe_that_explains_the_patterns_stays() -> None:
    """As it is, and so do the options; asked for, the search is made all the same and finds no better one."""
    dataset = _dataset(_simulated().probe[0] / np.linalg.norm(_simulated().probe))
    for unknown in ("auto", ("probe",)):
        found = _known(dataset, unknown)
        np.testing.assert_array_equal(found.dataset.probe, dataset.probe)
        assert found.options.passes == 3
        assert found.options.unknown == ()
        assert found.probe is None or found.probe.start is None


def test_nothing_is_searched_where_nothing_is_unknown() -> None:
    """Not even for a probe that is wrong."""
    dataset = _dataset(_disk())
    found = _known(dataset, ())
    assert found.dataset is dataset
    assert found.probe is None


@pytest.mark.slow
def test_an_object_faster_than_the_probe_freezes() -> None:
    """The reason for the momentum of the probe: where the object moves faster, a disk does not become the probe."""
    scan = normalise(_dataset(_disk()))
    sample = pattern_sample(scan, torch.arange(len(scan.centre_yx)), np.random.default_rng(0), CPU)
    overlaps = []
    for steps in (RETRIEVAL, attrs.evolve(RETRIEVAL, object=1.0, probe=0.1, momentum=0.0)):
        fit = JointUpdates(sample, scan.probe, np.random.default_rng(0))
        fit.run(50, steps)
        overlaps.append(_overlap(fit.probe[0].numpy()))
    assert overlaps[0] > overlaps[1] + 0.2


def test_held_back_pixels_change_nothing() -> None:
    """Other values there give the same object and the same probe."""
    scan = normalise(_dataset(_disk()))
    sample = pattern_sample(scan, torch.arange(40), np.random.default_rng(0), CPU)
    spoiled = attrs.evolve(sample, amplitude=torch.where(sample.held_back, 9.0, sample.amplitude))
    made = []
    for one in (sample, spoiled):
        fit = JointUpdates(one, scan.probe, np.random.default_rng(0))
        fit.run(2, RETRIEVAL)
        fit.run(1, KNOWN_PROBE)
        made.append(fit)
    torch.testing.assert_close(made[0].object, made[1].object, rtol=0, atol=0)
    torch.testing.assert_close(made[0].probe, made[1].probe, rtol=0, atol=0)
    assert made[1].held_back_misfit() > made[0].held_back_misfit()


def test_the_probe_keeps_its_power() -> None:
    """The object takes what it would gain."""
    scan = normalise(_dataset(_disk()))
    fit = JointUpdates(
        pattern_sample(scan, torch.arange(40), np.random.default_rng(0), CPU), scan.probe, np.random.default_rng(0)
    )
    fit.run(3, RETRIEVAL)
    assert float(fit.probe.norm()) == pytest.approx(float(scan.probe.norm()), rel=1e-5)


def test_patterns_are_taken_where_they_differ() -> None:
    """Not from the half of a scan that shows the same everywhere."""
    dataset = _dataset(None)
    counts = np.array(dataset.intensity)
    left = dataset.position_yx[:, 1] < np.median(dataset.position_yx[:, 1])
    counts[left] = counts.mean(axis=0)
    scan = normalise(attrs.evolve(dataset, intensity=counts))
    rows = telling_rows(scan, summarise(scan), 60)
    assert len(rows) == len(set(rows.tolist())) == 60
    assert left[rows.numpy()].mean() < 0.2


def test_the_pupil_of_a_mean_pattern() -> None:
    """Its amplitude is the root of the pattern and its phase as given at the rms frequency."""
    mean = torch.from_numpy(np.fft.ifftshift(np.abs(np.fft.fftshift(np.fft.fft2(defocused_probe(64, 12.0, 5.0)))) ** 2))
    probe = pupil_probe(mean, Aberration(4.0))
    assert float(probe.abs().square().sum()) == pytest.approx(64**2, rel=1e-5)
    spectrum = torch.fft.fft2(torch.fft.ifftshift(probe[0]))
    torch.testing.assert_close(
        spectrum.abs() / spectrum.abs().max(), (mean / mean.max()).sqrt().float(), atol=1e-4, rtol=0
    )
    across = round(rms_frequency(mean) * 64)
    turn = torch.angle(spectrum[0, across] * spectrum[0, 1].conj())
    wanted = 4.0 * (across**2 - 1) / (rms_frequency(mean) * 64) ** 2
    assert float(torch.cos(turn - wanted)) > 0.999


def test_phases_of_defocus_are_of_both_signs() -> None:
    """One on each side at least, and as many as the field of view has room for."""
    mean = torch.from_numpy(np.fft.ifftshift(np.abs(np.fft.fftshift(np.fft.fft2(defocused_probe(64, 12.0, 5.0)))) ** 2))
    assert defocus_phases(mean, 0.0, 3.0) == [-3.0, 0.0, 3.0]
    assert len(defocus_phases(mean, 21.0, 3.0)) > 5


def test_a_file_without_a_probe(tmp_path: Path) -> None:
    """Is reconstructed, unless nothing is unknown: then it is refused with the two ways out."""
    simulated = _simulated()
    y, x = simulated.position_yx.T
    np.savez(tmp_path / "scan.npz", diff3d=simulated.counts, xcoords=x, ycoords=y)
    made = refine_scan(tmp_path / "scan.npz", tmp_path / "out", RefineOptions(passes=3), start="coarse")
    assert 0.1 * made.metrics.R_flat > made.metrics.R
    with pytest.raises(DataError, match=r"has no probeGuess.*torch\.refine\.unknown=auto"):
        refine_scan(tmp_path / "scan.npz", tmp_path / "no", RefineOptions(passes=3, unknown=()), start="coarse")
    assert not (tmp_path / "no").exists()
    with open_scan(tmp_path / "scan.npz") as opened:
        focused = read_dataset(opened, "count_intensity", probe_needed=False)
    assert not focused.probe_known
    assert np.square(np.abs(focused.probe)).sum() == pytest.approx(simulated.counts.sum((1, 2)).mean(), rel=1e-3)


def _focused(path: Path, counts: NDArray[Any], simulated: SimulatedScan, **options: Any) -> Dataset:
    y, x = simulated.position_yx.T
    np.savez(path, diff3d=counts, xcoords=x, ycoords=y)
    with open_scan(path) as opened:
        return read_dataset(opened, probe_needed=False, **options)


def test_the_probe_of_a_mean_pattern_is_that_of_its_valid_pixels_and_of_its_intensity(tmp_path: Path) -> None:
    """Fill values that are left out do not enter it, and amplitudes are squared before."""
    simulated = _simulated()
    whole = _focused(tmp_path / "a.npz", simulated.counts, simulated, domain="count_intensity")
    roots = _focused(tmp_path / "b.npz", np.sqrt(simulated.counts), simulated, domain="normalized_amplitude")
    np.testing.assert_allclose(roots.probe, whole.probe, atol=1e-4 * np.abs(whole.probe).max())
    filled = simulated.counts.astype(np.float32)
    filled[:, 3:5, 3:60] = np.nan
    with pytest.warns(RuntimeWarning, match="hold nan in every pattern"):
        masked = _focused(tmp_path / "c.npz", filled, simulated, domain="count_intensity", mask="auto")
    assert np.isfinite(masked.probe).all()
    assert np.abs(np.vdot(masked.probe, whole.probe)) > 0.99 * np.square(np.abs(whole.probe)).sum()


@pytest.mark.slow
def test_the_real_star_from_a_disk(tmp_path: Path) -> None:
    """The experimental scan with a disk as probe is explained as well as with its own probe."""
    with np.load(STAR) as arrays:
        stored = dict(arrays)
    power = np.linalg.norm(stored["probeGuess"])
    np.savez(tmp_path / "disk.npz", **(stored | {"probeGuess": (power * _disk()).astype(np.complex64)}))
    made = refine_scan(tmp_path / "disk.npz", tmp_path / "disk", RefineOptions(passes=12), start="coarse")
    own = refine_scan(STAR, tmp_path / "own", RefineOptions(passes=12), start="coarse")
    assert made.metrics.R < 1.05 * own.metrics.R
