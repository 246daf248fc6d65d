"""The command that improves an object without a network, on real files."""

import json
from pathlib import Path

import attrs
import h5py
import numpy as np
import pytest

from ptycho_config.schema import RefineOptions
from ptycho_torch.api import TrainingRun, reconstruct
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.cli.main import main
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import defocused_probe, natural_object, simulate_scan
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.records import Canvas

STAR = Path(__file__).parents[1] / "data" / "siemens_star_64.npz"
Output = pytest.CaptureFixture[str]


def test_the_command_refines_from_nothing_but_the_scan(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """From the coarse object that the patterns give to one that is like the truth; every file is there."""
    assert main(["refine", str(scan_file), "--output_dir", str(tmp_path)]) == 0
    assert "refined 36 patterns" in capsys.readouterr().out
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {"amplitude.png", "phase.png"}
    assert names == {"product.h5", "reconstruction.npz", "metrics.json", "report.html", "results.json"} | pictures
    with np.load(tmp_path / "reconstruction.npz") as arrays, np.load(scan_file) as scan:
        object_, (y, x) = arrays["object"], arrays["origin_px"]
        assert arrays["illumination"].min() >= 0
        truth = natural_object("camera", "coins", 100)
        inner = slice(36 - y, 64 - y), slice(36 - x, 64 - x)
        assert scan["probeGuess"].shape == (64, 64)
    contrast, _ = contrast_and_detail(object_[inner], truth[36:64, 36:64])
    assert contrast > 0.9


def test_refining_a_reconstruction_goes_on_from_it(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """R falls from that of the network; as NPZ or as product it is the same start, and in its place."""
    made = reconstruct(scan_file, tmp_path / "network", model=trained.bundle, legacy={})
    options = RefineOptions(passes=2)
    one, other = (
        refine_scan(scan_file, tmp_path / name, options, start=tmp_path / "network" / name)
        for name in ("reconstruction.npz", "product.h5")
    )
    assert one.metrics.R < 0.8 * made.metrics.R
    assert one.metrics.R_by_pass[0] == pytest.approx(made.metrics.R, rel=0.05)
    assert one.canvas.origin_yx == made.canvas.origin_yx
    np.testing.assert_allclose(other.canvas.object, one.canvas.object, atol=1e-4)


def test_an_object_without_a_place_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """It could lie anywhere; nothing is written."""
    np.save(tmp_path / "object.npy", np.ones((80, 80), np.complex64))
    with pytest.raises(DataError, match="does not say where its object lies"):
        refine_scan(scan_file, tmp_path / "out", RefineOptions(passes=1), start=tmp_path / "object.npy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("given", ["alpha=0.2", "torch.refine.alpha=0.2"])
def test_options_are_set_by_either_path(given: str, scan_file: Path, tmp_path: Path) -> None:
    """Relative to the group or whole, as other commands take it."""
    command = ["refine", str(scan_file), "--passes", "1", "--quiet", "--output_dir", str(tmp_path)]
    assert main([*command, "--set", given]) == 0
    made = json.loads((tmp_path / "metrics.json").read_text())["refinement"]
    assert made["options"]["alpha"] == 0.2


@pytest.mark.parametrize("given", ["alfa=0.2", "torch.refine.alfa=0.2"])
def test_a_wrong_option_is_named(given: str, scan_file: Path, capsys: Output) -> None:
    """As everywhere."""
    assert main(["refine", str(scan_file), "--set", given]) == 2
    assert "did you mean 'torch.refine.alpha'" in capsys.readouterr().err


def test_refined_positions_are_those_of_the_product(scan_file: Path, tmp_path: Path) -> None:
    """The command corrects a scan with wrong positions; product, R and figures go together."""
    with np.load(scan_file) as arrays:
        stored = dict(arrays)
    errors = np.random.default_rng(3).normal(0, 1.0, (2, len(stored["xcoords"])))
    stored["ycoords"], stored["xcoords"] = stored["ycoords"] + errors[0], stored["xcoords"] + errors[1]
    wrong = tmp_path / "wrong.npz"
    np.savez(wrong, **stored)
    asked = ["--positions", "--probe", "--passes", "10", "--quiet", "--set", "unknown=[]"]
    assert main(["refine", str(wrong), "--output_dir", str(tmp_path / "out"), *asked]) == 0
    assert main(["refine", str(wrong), "--output_dir", str(tmp_path / "plain"), *asked[1:]]) == 0
    made, plain = (
        json.loads((tmp_path / name / "metrics.json").read_text())["refinement"] for name in ("out", "plain")
    )
    assert made["R"] < 0.9 * plain["R"]
    assert "position_corrections" not in plain
    dataset = read_scan(wrong, "count_intensity")
    with h5py.File(tmp_path / "out" / "product.h5") as product:
        position = np.stack([product["probe_position_y_m"][()], product["probe_position_x_m"][()]], axis=1)
        object_, probe = product["object"][0], product["probe"][0]
        y, x = product["object"].attrs["origin_px"].tolist()
    distance = np.linalg.norm(position - dataset.position_yx, axis=1)
    assert made["position_corrections"]["max_px"] == pytest.approx(distance.max(), abs=1e-3)
    assert made["position_corrections"]["rms_px"] == pytest.approx(np.sqrt(np.mean(distance**2)), abs=1e-3)
    seen = attrs.evolve(dataset, position_yx=position, probe=probe)
    canvas = Canvas(object_, np.ones(object_.shape, np.float32), (y, x))
    assert r_factor(normalise(seen), canvas) == pytest.approx(made["R"], abs=1e-5)


def test_positions_that_count_from_the_centre_of_a_pixel(scan_file: Path, tmp_path: Path) -> None:
    """The object lies half a pixel further than with positions that count from its corner."""
    with np.load(scan_file) as arrays:
        stored = dict(arrays)
    for name in ("xcoords", "ycoords"):
        stored[name] = stored[name] - 0.5
    np.savez(tmp_path / "centre.npz", **stored)
    command = ["refine", "--passes", "2", "--quiet", "--output_dir"]
    assert main([*command, str(tmp_path / "corner"), str(scan_file)]) == 0
    asked = ["--position-origin", "centre"]
    assert main([*command, str(tmp_path / "centre"), str(tmp_path / "centre.npz"), *asked]) == 0
    one, other = (np.load(tmp_path / name / "reconstruction.npz") for name in ("corner", "centre"))
    np.testing.assert_array_equal(one["origin_px"], other["origin_px"])
    np.testing.assert_allclose(one["object"], other["object"], atol=1e-4)


def test_patterns_of_an_odd_number_of_pixels(tmp_path: Path) -> None:
    """Nothing but speed asks for an even one."""
    made = simulate_scan(natural_object("camera", "coins", 100), seed=0, probe=defocused_probe(65, 10.0, 6.0)[None])
    write_scan(tmp_path / "odd.npz", made)
    result = refine_scan(tmp_path / "odd.npz", tmp_path / "out", RefineOptions(passes=3), start="coarse")
    assert 0.3 * result.metrics.R_by_pass[0] > result.metrics.R


def test_a_seed_is_not_negative(scan_file: Path, tmp_path: Path, capsys: Output) -> None:
    """Said before anything is read or written."""
    assert main(["refine", str(scan_file), "--seed", "-1", "--output_dir", str(tmp_path / "out")]) == 2
    assert "must be 0 or greater, got -1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_starts_from_a_flat_object_where_that_is_asked_for(scan_file: Path, tmp_path: Path) -> None:
    """Then the first R is that of a flat object; the coarse one is nearer."""
    first = []
    for start in ("flat", "coarse"):
        asked = ["--start", start, "--output_dir", str(tmp_path / start), "--quiet"]
        assert main(["refine", str(scan_file), *asked]) == 0
        made = json.loads((tmp_path / start / "metrics.json").read_text())["refinement"]
        first.append(made["R_by_pass"][0] / made["R_flat"])
    assert first[0] == pytest.approx(1, rel=0.2)
    assert first[1] < 0.8
