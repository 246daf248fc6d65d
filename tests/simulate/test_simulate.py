"""Simulated scans: every kind of object, probe and path, and what the file says of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from ptycho_config import ConfigError, parse, resolve
from ptycho_torch.cli import main as umbrella
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.readers import open_scan
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.simulation import Simulation, simulate, write_simulation
from ptycho_torch.simulation.probes import add_modes, defocus, lens_probe, zernike
from ptycho_torch.simulation.scan import make_object, make_positions, make_probe

SMALL = ["N=32", "side_px=64", "step_px=8"]


def _options(*given: str) -> Simulation:
    return resolve(Simulation(), parse(Simulation, SMALL, "small"), parse(Simulation, list(given))).config


OBJECTS = ["dead_leaves", "lines", "grid_lines", "polyhedra", "images", "noise"]


@pytest.mark.parametrize("given", [[f"object={name}"] for name in OBJECTS] + [["object=noise", "object.form=grains"]])
def test_objects_fill_the_ranges(given: list[str]) -> None:
    """Of modulus and phase; the seed decides all of it."""
    options = _options(*given)
    made = make_object(np.random.default_rng(1), options)
    assert made.shape == (64, 64)
    assert np.allclose([np.abs(made).min(), np.abs(made).max()], options.amplitude, atol=1e-5)
    assert np.allclose([np.angle(made).min(), np.angle(made).max()], options.phase_rad, atol=1e-5)
    assert np.array_equal(made, make_object(np.random.default_rng(1), options))


def test_a_crystal_is_convex() -> None:
    """The thickness of one polyhedron has no second maximum along any row."""
    made = np.abs(make_object(np.random.default_rng(3), _options("object=polyhedra", "object.crystals=1")))
    for row in np.round(made, 3):
        rises = np.sign(np.diff(row))
        assert (np.diff(rises[rises != 0]) != 0).sum() <= 1


def test_zernike_polynomials_are_orthonormal() -> None:
    """Over the disc, for the first fifteen."""
    y, x = np.mgrid[-1:1:201j, -1:1:201j]
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    every = np.stack([zernike(index, radius, angle)[radius <= 1] for index in range(1, 16)])
    assert np.allclose(every @ every.T / every.shape[1], np.eye(15), atol=0.03)


def test_modes_are_orthogonal_and_of_falling_power() -> None:
    """And together of unit energy; the first one is the probe itself."""
    first = lens_probe(32, 0.4, stop=0.3, defocus_rad=3.0, zernike_rad=(0.5, 0.0, 0.3))
    modes = add_modes(first, 4, 0.5)
    products = modes.reshape(4, -1) @ modes.reshape(4, -1).conj().T
    assert np.allclose(products, np.diag(np.array([8, 4, 2, 1]) / 15), atol=1e-6)
    assert np.allclose(modes[0] / np.linalg.norm(modes[0]), first[0], atol=1e-6)


def test_a_defocus_can_be_undone() -> None:
    """It turns phases of the spectrum only."""
    probe = make_probe(_options())
    assert np.allclose(defocus(defocus(probe, 2.0), -2.0), probe, atol=1e-6)
    assert not np.allclose(defocus(probe, 2.0), probe, atol=1e-2)


@pytest.mark.parametrize("path", ["raster", "spiral", "fermat", "random"])
def test_paths_have_the_density_of_their_step(path: str) -> None:
    """One position in an area of a step squared, all with a whole patch."""
    options = _options(f"positions={path}", "side_px=200", "jitter_px=0")
    found = make_positions(np.random.default_rng(0), options, (200, 200))
    assert found.min() >= 18
    assert found.max() <= 182
    assert len(found) == pytest.approx((164 / 8) ** 2, rel=0.12)


def test_the_detector_counts_what_is_said() -> None:
    """Photons, background, and dead pixels that the file marks."""
    made = simulate(_options("detector.photons=1e5", "detector.background=2", "detector.bad_pixels=5"))
    assert made.valid_pixels is not None
    assert (~made.valid_pixels).sum() == 5
    assert not made.counts[:, ~made.valid_pixels].any()
    assert made.counts.sum(axis=(1, 2)).mean() == pytest.approx(1e5 + 2 * 32**2, rel=0.02)
    assert simulate(_options("detector.beam_stop_px=3", "detector.mask=false")).valid_pixels is None


def test_recorded_positions_are_wrong_as_said() -> None:
    """Scale and turn about the middle, a drift, and errors of this size; the patterns stay."""
    true = simulate(_options())
    moved = simulate(_options("errors.scale=1.1", "errors.rms_px=0.5"))
    assert np.array_equal(true.counts, moved.counts)
    error = moved.position_yx - true.position_yx - 0.1 * (true.position_yx - true.position_yx.mean(axis=0))
    assert error.std() == pytest.approx(0.5, rel=0.25)


@pytest.mark.parametrize("name", ["scan.npz", "scan.cxi", "scan.h5"])
def test_files_hold_the_scan_and_its_truth(name: str, tmp_path: Path) -> None:
    """Each format is read again; the truth names every option."""
    made = simulate(_options("guess=disk", "detector.bad_pixels=3"))
    written = write_simulation(tmp_path / name, made)
    with open_scan(tmp_path / name) as scan:
        dataset = read_dataset(scan, "count_intensity")
        assert scan.geometry is not None
        assert scan.geometry.pixel_m[0] == pytest.approx(made.pixel_m)
    assert np.array_equal(dataset.intensity[:], made.counts)
    assert np.allclose(dataset.position_yx - dataset.position_yx[0], made.position_yx - made.position_yx[0])
    truth = np.load(written[-1], allow_pickle=False)
    assert np.array_equal(truth["objectGuess"], made.truth)
    # The object lies where the positions of the file have it.
    np.testing.assert_allclose(dataset.position_yx - truth["origin_px"], made.position_yx, atol=1e-6)
    np.testing.assert_allclose(truth["truth_yx"] - truth["origin_px"], made.true_position_yx, atol=1e-6)
    assert read_object(written[-1]).origin_yx == tuple(np.round(truth["origin_px"]))
    assert json.loads(str(truth["simulation"]))["guess"]["kind"] == "disk"
    with pytest.raises(DataError, match="is there already"):
        write_simulation(tmp_path / name, made)


def test_objects_and_probes_come_from_files(tmp_path: Path) -> None:
    """Of another scan; with the side that fits."""
    write_simulation(tmp_path / "a.npz", simulate(_options("modes=2")))
    made = simulate(_options("object.path=" + str(tmp_path / "a.npz"), "object=file", "probe=file",
                             "probe.path=" + str(tmp_path / "a.npz")))  # fmt: skip
    first = np.load(tmp_path / "a.npz")
    assert np.array_equal(made.truth, first["objectGuess"])
    assert np.allclose(made.true_probe, first["truth_modes"], rtol=1e-3, atol=1e-3)
    assert simulate(_options("object=file", "object.path=" + str(tmp_path / "a.npz"),
                             "side_px=20")).truth.shape == (64, 64)  # fmt: skip
    with pytest.raises(DataError, match="set N=32"):
        make_probe(_options("N=16", "probe=file", "probe.path=" + str(tmp_path / "a.npz")))


WRONG = {
    "unknown": (["objekt=lines"], "did you mean 'object'"),
    "no such kind": (["object=line"], "must be one of 'dead_leaves'"),
    "no room": (["side_px=40"], "has no room for patterns of 64 px"),
    "no modulus": (["amplitude=[-1.0,0.5]"], "a modulus cannot be -1.0"),
    "reversed": (["phase_rad=[1.0,0.5]"], "its lowest value 1.0 is above its highest"),
    "no light": (["probe.pupil=0"], "probe.pupil: must lie between 0.01 and 1"),
    "all behind the stop": (["detector.beam_stop_px=32"], "hides patterns of 64 px"),
    "all dead": (["detector.bad_pixels=4096"], "more dead pixels than others"),
    "no picture": (["object=images", "object.phase=camel"], "no test image"),
    "two pictures": (["object=images", "object.phase=stereo_motorcycle"], "no test image"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_command_says_what_is_wrong(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And writes nothing."""
    given, sentence = WRONG[name]
    assert umbrella.main(["simulate", str(tmp_path / "a.npz"), *given]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_simulates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a picture; options can be looked at before, also those of a file."""
    (tmp_path / "ours.yaml").write_text("object: {kind: polyhedra, crystals: 5}\n")
    given = ["--config", str(tmp_path / "ours.yaml"), *SMALL]
    assert umbrella.main(["simulate", "--explain", *given]) == 0
    assert "number of crystals" not in capsys.readouterr().err
    assert umbrella.main(["simulate", str(tmp_path / "a.npz"), "--draw", str(tmp_path / "a.png"), *given]) == 0
    assert "patterns of 32 x 32" in capsys.readouterr().out
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_structure_of_one_material_is_one() -> None:
    """Thick where it absorbs."""
    made = make_object(np.random.default_rng(0), _options("one_material=true"))
    assert np.corrcoef(np.abs(made).ravel(), np.angle(made).ravel())[0, 1] < -0.999


def test_an_option_of_another_kind_is_refused() -> None:
    """Naming the kind that is chosen."""
    with pytest.raises(ConfigError, match="crystals"):
        _options("object=lines", "object.crystals=3")
