"""Preparing scans: each step keeps patterns, positions, probe and lengths in agreement, and is recorded."""

import json
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from ptycho_config import parse, resolve
from ptycho_torch.cli import main as umbrella
from ptycho_torch.cli.prepare import read_steps
from ptycho_torch.data.geometry import ELECTRONVOLT, PLANCK_TIMES_LIGHT, object_pixel_m
from ptycho_torch.data.readers import open_scan, read_scan
from ptycho_torch.evaluation.metrics import remove_ramp
from ptycho_torch.physics.simulate import expected_counts
from ptycho_torch.prepare.options import Preparation
from ptycho_torch.prepare.run import prepare_scan, read_preparation, start, take_steps
from ptycho_torch.prepare.scan import Prepared
from ptycho_torch.records import Dataset
from ptycho_torch.simulation import Simulation, simulate, write_simulation

RMS_PX = 3
SCAN = ["N=64", "side_px=120", "step_px=8", "detector.noise=none", "probe=gaussian", f"probe.rms_px={RMS_PX}"]


@pytest.fixture(scope="module")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan without noise, with its true object."""
    path = tmp_path_factory.mktemp("prepare") / "scan.npz"
    write_simulation(path, simulate(resolve(Simulation(), parse(Simulation, SCAN)).config))
    return path


def _take(path: Path, *words: str) -> Prepared:
    with open_scan(path) as scan:
        return take_steps(start(scan, "count_intensity"), read_steps(words))


def _misfit(made: Prepared) -> float:
    """Of the patterns that object, probe and positions give, as a share of the counts."""
    assert made.object is not None
    assert made.probe is not None
    given = expected_counts(made.object, made.probe, made.position_yx)
    return float(np.abs(given - made.patterns[...]).sum() / made.patterns[...].sum())


def _place_m(made: Prepared) -> Any:
    assert made.geometry is not None
    return made.position_yx * np.array(made.geometry.pixel_m) + made.geometry.origin_m


CONSISTENT = {
    "bin": ("bin.factor=2", (2 * np.pi * RMS_PX / 64) ** 2),
    "region": ("region.y_px=[40,70] region.x_px=[30,80]", 1e-4),
    "split": ("split.parts=3 split.part=1 split.by=x", 1e-4),
    "shuffle": ("shuffle", 1e-4),
    "select": ("select.start=3 select.every=2", 1e-4),
    "four steps": ("shuffle shuffle.seed=2 select.stop=20 shuffle select.every=3", 1e-4),
}


@pytest.mark.parametrize("name", CONSISTENT)
def test_object_and_probe_still_give_the_patterns(name: str, scan_file: Path) -> None:
    """After every step that keeps the pixel of the object. A bin is the mean over half a pixel around its middle, which
    differs from the value there by `(2 pi s / N)^2` at most for a beam of rms radius s."""
    words, most = CONSISTENT[name]
    assert _misfit(_take(scan_file, *words.split())) < most


def test_a_bin_whose_zero_frequency_is_elsewhere_is_caught(scan_file: Path) -> None:
    """Without the ramp on the probe the patterns lie half a pixel off."""
    made = _take(scan_file, "bin.factor=2")
    assert made.probe is not None
    pixel = np.arange(32) - 16
    ramp = np.exp(2j * np.pi * 0.5 * (pixel[:, None] + pixel) / 64)
    assert _misfit(attrs.evolve(made, probe=(made.probe * ramp).astype(np.complex64))) > 4 * _misfit(made)


@pytest.mark.parametrize("words", ["crop.side_px=48", "pad.side_px=80", "pad.side_px=81", "crop.side_px=33"])
def test_another_share_of_the_frequencies(words: str, scan_file: Path) -> None:
    """Changes the pixel of the object; positions in metres and the energy of the probe stay, and a flat object gives
    the same pattern where both have pixels."""
    before, made = _take(scan_file), _take(scan_file, words)
    assert made.geometry is not None
    assert made.geometry.detector_pixel_m is not None
    line = Simulation().beamline
    expected = object_pixel_m(line.energy_ev * ELECTRONVOLT, line.distance_m, line.detector_pixel_m, made.frame[0])
    assert made.geometry.pixel_m == pytest.approx((expected, expected))
    assert np.allclose(_place_m(made), _place_m(before), atol=1e-12)
    assert made.object is None
    assert before.probe is not None
    assert made.probe is not None
    old, new = (
        np.abs(np.fft.fftshift(np.fft.fft2(one, norm="ortho"))) ** 2 for one in (before.probe[0], made.probe[0])
    )
    least = min(len(old), len(new))
    cut = [slice(len(one) // 2 - least // 2, len(one) // 2 - least // 2 + least) for one in (old, new)]
    assert np.allclose(old[cut[0], cut[0]], new[cut[1], cut[1]], rtol=1e-3, atol=1e-3 * old.max())
    assert made.valid.sum() == least**2


def test_steps_that_undo_each_other(scan_file: Path) -> None:
    """Leave patterns and positions: crop and pad about the middle, two flips, two moves of the beam."""
    before = _take(scan_file, "crop.side_px=48")
    after = _take(scan_file, "crop.side_px=48", "pad.side_px=64", "crop.side_px=48")
    assert np.array_equal(before.patterns[...], after.patterns[...])
    assert np.allclose(before.position_yx, after.position_yx)
    plain = _take(scan_file)
    for words in ("turn.flip_x=true", "turn.exchange=true"):
        assert np.array_equal(_take(scan_file, words, "turn", words).patterns[...], plain.patterns[...])
    for name in ("x negated", "x and y exchanged"):
        turned = _take(scan_file, f"turn_positions.to={name}", "turn_positions", f"turn_positions.to={name}")
        assert np.allclose(turned.position_yx, plain.position_yx)


def test_turned_patterns_are_those_of_turned_positions(scan_file: Path) -> None:
    """A mirrored detector is the same as a mirrored stage and object: the middle of the pattern stays in place."""
    made = _take(scan_file, "turn.flip_y=true")
    mirrored = np.roll(np.flip(_take(scan_file).patterns[...], 1), 1, 1)
    assert np.array_equal(made.patterns[...], mirrored)
    assert np.array_equal(made.patterns[...][:, 32], _take(scan_file).patterns[...][:, 32])


def test_the_beam_comes_to_the_middle(scan_file: Path) -> None:
    """By its centre of mass, or a place; what comes in was not measured."""
    moved = _take(scan_file, "centre.y_px=36", "centre.x_px=30")
    assert np.array_equal(moved.valid[:-4, 2:], np.ones((60, 62), bool))
    assert moved.valid.sum() == 60 * 62
    back = take_steps(moved, read_steps(["centre"]))
    middle = back.mean_pattern()
    assert np.abs(middle.sum(axis=1) @ np.arange(64) / middle.sum() - 32) < 1
    assert np.abs(middle.sum(axis=0) @ np.arange(64) / middle.sum() - 32) < 1


def test_masks_and_darks(scan_file: Path, tmp_path: Path) -> None:
    """Are arrays of files; both senses of a mask are stated; a bin with a bad pixel is bad."""
    bad = np.zeros((64, 64), bool)
    bad[10, 11] = True
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "good.npy", ~bad)
    np.save(tmp_path / "dark.npy", np.full((3, 64, 64), 5.0))
    one = _take(scan_file, f"mask.path={tmp_path / 'bad.npy'}", f"dark.path={tmp_path / 'dark.npy'}")
    other = _take(scan_file, f"mask.path={tmp_path / 'good.npy'}", "mask.marks=valid", "dark.counts=5")
    assert np.array_equal(one.valid, ~bad)
    assert np.array_equal(one.valid, other.valid)
    assert np.array_equal(one.patterns[...], other.patterns[...])
    assert np.allclose(one.patterns[...], np.maximum(_take(scan_file).patterns[...] - 5, 0))
    binned = take_steps(one, read_steps(["bin.factor=2"]))
    assert np.argwhere(~binned.valid).tolist() == [[5, 5]]


LINE = ["beamline.energy_ev=8800", "beamline.distance_m=2", "beamline.detector_pixel_m=75e-6"]
ZONE_PLATE = ["optics.diameter_m=1e-4", "optics.outer_zone_m=100e-9"]


def test_a_probe_is_built_from_the_optics(scan_file: Path) -> None:
    """In focus the width of an Airy disc, `1.22 dr` to its first zero; behind it a diverging wave with the curvature
    `pi / (lambda z)` and the diameter `D z / f` of the cone."""
    focus = _take(scan_file, *LINE, "pad.side_px=256", *ZONE_PLATE)
    assert focus.probe is not None
    assert focus.geometry is not None
    pixel = focus.geometry.pixel_m[0]
    power = np.abs(focus.probe[0, 128, 128:]) ** 2
    assert np.argmax(np.diff(power) > 0) * pixel == pytest.approx(1.22 * 100e-9, abs=pixel)
    wavelength, z = PLANCK_TIMES_LIGHT / (8800 * ELECTRONVOLT), 2e-3
    behind = _take(scan_file, *LINE, "pad.side_px=256", *ZONE_PLATE, f"optics.defocus_m={z}")
    assert behind.probe is not None
    wave, y = behind.probe[0, :, 128], (np.arange(256) - 128) * pixel
    assert np.sum(np.abs(behind.probe) ** 2) == pytest.approx(behind.mean_pattern().sum(), rel=1e-5)
    # Slopes of the phase where geometry has the cone.
    inside = np.abs(y) < 0.3 * wavelength * z / 100e-9
    slope = np.polyfit(y[inside], np.gradient(np.unwrap(np.angle(wave[inside])), pixel), 1)[0]
    assert slope == pytest.approx(2 * np.pi / (wavelength * z), rel=0.1)


def test_lens_and_zone_plate_are_one_formula(scan_file: Path) -> None:
    """`f = D dr / lambda`."""
    focal = 1e-4 * 100e-9 * 8800 * ELECTRONVOLT / PLANCK_TIMES_LIGHT
    lens = _take(scan_file, *LINE, "optics.diameter_m=1e-4", f"optics.focal_m={focal}", "optics.stop_m=3e-5")
    zones = _take(scan_file, *LINE, *ZONE_PLATE, "optics.stop_m=3e-5")
    assert lens.probe is not None
    assert zones.probe is not None
    assert np.allclose(lens.probe, zones.probe, rtol=1e-3, atol=1e-3)


def test_lengths_that_are_stated_again_keep_metres(scan_file: Path) -> None:
    """Another distance: other pixels, the same places."""
    made = _take(scan_file, *LINE)
    assert np.allclose(_place_m(made), _place_m(_take(scan_file)), atol=1e-12)
    assert made.geometry is not None
    assert made.geometry.photon_energy_ev == 8800


@pytest.mark.parametrize("name", ["made.npz", "made.cxi", "made.h5", "product.h5"])
def test_files_hold_what_was_prepared(name: str, scan_file: Path, tmp_path: Path) -> None:
    """In every format, with the record; of two preparations the second has the first in it."""
    words = ["crop.side_px=48", "bin.factor=2", "shuffle"]
    prepare_scan(scan_file, tmp_path / name, Preparation(steps=read_steps(words)))
    again = tmp_path / "again.npz"
    prepare_scan(tmp_path / name, again, Preparation(steps=read_steps(["split.part=1"])))
    made, expected = read_scan(again, "count_intensity"), _take(scan_file, *words, "split.part=1")
    assert isinstance(made, Dataset)
    assert np.array_equal(made.intensity[:], expected.patterns[...])
    distance = made.position_yx - expected.position_yx
    assert np.allclose(distance, distance[0])
    record = read_preparation(again)
    assert [one["kind"] for one in record["before"]["steps"]] == ["crop", "bin", "shuffle"]
    assert record["steps"][0]["kind"] == "split"
    assert record["source"] == name


def test_types_of_detectors_stay(tmp_path: Path, scan_file: Path) -> None:
    """Counts stay whole numbers; binned ones have room."""
    with np.load(scan_file) as stored:
        arrays = {**stored, "diff3d": np.round(stored["diff3d"]).clip(0, 65535).astype(np.uint16)}
    np.savez(tmp_path / "a.npz", **arrays)
    for words, dtype in (([], np.uint16), (["bin.factor=2"], np.uint32)):
        target = tmp_path / f"{len(words)}.npz"
        prepare_scan(tmp_path / "a.npz", target, Preparation(steps=read_steps(words)))
        with np.load(target) as made:
            assert made["diff3d"].dtype == dtype
            assert made["diff3d"].sum() == arrays["diff3d"].sum(dtype=np.int64)


WRONG = {
    "unknown step": (["crup.side_px=32"], "must be one of 'crop'"),
    "unknown option": (["crop.side=32"], "crop.side"),
    "without its option": (["crop"], "crop.side_px: is required"),
    "larger crop": (["crop.side_px=128"], "cannot be cropped to 128"),
    "smaller pad": (["pad.side_px=32"], "cannot be padded to 32"),
    "uneven bin": (["bin.factor=3"], "cannot be binned by 3"),
    "nothing left": (["region.y_px=[900,950]", "region.x_px=[0,10]"], "no pattern is left"),
    "no such part": (["split.part=2"], "of 2 parts there is no number 2"),
    "half a beam": (["centre.y_px=3"], "go together"),
    "beam outside": (["centre.y_px=300", "centre.x_px=3"], "lies outside"),
    "no focus": (["optics.diameter_m=1e-4"], "outer_zone_m"),
    "too fine zones": (["optics.diameter_m=1e-4", "optics.outer_zone_m=1e-9"], "the aperture ends at"),
    "far too much defocus": ([*ZONE_PLATE, "optics.defocus_m=1e-2"], "wider than"),
    "no dark": (["dark.path=missing.npy"], "cannot be read"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_named(
    name: str, scan_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    words, sentence = WRONG[name]
    assert umbrella.main(["prepare", str(scan_file), str(tmp_path / "made.npz"), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_pixel_that_counts_nan_must_be_masked(tmp_path: Path, scan_file: Path) -> None:
    """The step that does it makes the scan usable; without it nothing is written."""
    with np.load(scan_file) as stored:
        arrays = dict(stored)
    arrays["diff3d"][:, 5, 6] = np.nan
    np.savez(tmp_path / "nan.npz", **arrays)
    bad = np.isnan(arrays["diff3d"][0])
    np.save(tmp_path / "bad.npy", bad)
    given = ["prepare", str(tmp_path / "nan.npz"), str(tmp_path / "made.npz"), "--quiet"]
    assert umbrella.main([*given, "centre"]) == 2
    assert umbrella.main([*given, f"mask.path={tmp_path / 'bad.npy'}", "centre"]) == 0
    assert np.isfinite(read_scan(tmp_path / "made.npz", "count_intensity").intensity[:]).all()


def test_frames_that_are_not_square_are_cropped(tmp_path: Path, scan_file: Path) -> None:
    """About their middle, each axis with its own ratio of pixels."""
    with np.load(scan_file) as stored:
        arrays = dict(stored)
    wide = np.pad(arrays["diff3d"], [(0, 0), (0, 0), (8, 8)])
    np.savez(tmp_path / "wide.npz", **{**arrays, "diff3d": wide, "axes": np.array("nyx")})
    assert umbrella.main(["prepare", str(tmp_path / "wide.npz"), str(tmp_path / "a.npz"), "crop.side_px=64"]) == 2
    del arrays["probeGuess"]
    np.savez(tmp_path / "wide.npz", **{**arrays, "diff3d": wide, "axes": np.array("nyx")})
    assert umbrella.main(["prepare", str(tmp_path / "wide.npz"), str(tmp_path / "a.npz"), "crop.side_px=64"]) == 0
    with np.load(tmp_path / "a.npz") as made:
        assert np.array_equal(made["diff3d"], arrays["diff3d"])


def test_steps_come_from_a_file_too(tmp_path: Path, capsys: pytest.CaptureFixture[str], scan_file: Path) -> None:
    """Those of the command line after them; what is printed can be given again."""
    (tmp_path / "steps.yaml").write_text("steps: [{kind: centre}, {kind: crop, side_px: 48}]\n")
    given = [
        "prepare",
        str(scan_file),
        str(tmp_path / "a.npz"),
        "--config",
        str(tmp_path / "steps.yaml"),
        "bin.factor=2",
    ]
    assert umbrella.main([*given, "--print-config"]) == 0
    printed = capsys.readouterr().out
    assert [one["kind"] for one in json.loads(printed)["steps"]] == ["centre", "crop", "bin"]
    (tmp_path / "all.json").write_text(printed)
    assert resolve(Preparation(), parse(Preparation, tmp_path / "all.json")).config.steps == read_steps(
        ["centre", "crop.side_px=48", "bin.factor=2"]
    )
    assert umbrella.main(given) == 0
    assert "cropped to 48" in capsys.readouterr().out


def test_the_object_without_a_ramp_is_that_of_the_binned_scan(scan_file: Path) -> None:
    """The ramp that binning puts on the probe is one number across the beam, not structure."""
    before, made = _take(scan_file), _take(scan_file, "bin.factor=2")
    assert before.probe is not None
    assert made.probe is not None
    cut = before.probe[0, 16:48, 16:48]
    straight = remove_ramp(made.probe[0].astype(complex), cut.astype(complex))
    assert np.linalg.norm(straight - cut) < 1e-3 * np.linalg.norm(cut)
