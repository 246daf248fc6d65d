"""Comparing objects: what cannot be known does not count, what is wrong is seen or refused."""

import json
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_torch.cli import evaluate
from ptycho_torch.cli.parser import Parser
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.compare import compare
from ptycho_torch.evaluation.draw import comparison_figure, table
from ptycho_torch.evaluation.read import PlacedObject, read_object
from ptycho_torch.evaluation.several import compare_several, inner_rectangle
from ptycho_torch.physics.simulate import natural_object

TRUTH = natural_object("camera", "coins", 140).astype(np.complex128)
Y, X = np.indices(TRUTH.shape)


def _placed(values: NDArray[np.complexfloating], **known: object) -> PlacedObject:
    return PlacedObject("object", values, **known)  # type: ignore[arg-type]


def _blurred(width: float) -> NDArray[np.complex128]:
    return gaussian_filter(TRUTH.real, width) + 1j * gaussian_filter(TRUTH.imag, width)


@settings(max_examples=8, deadline=None)
@given(st.floats(0.1, 10), st.floats(-np.pi, np.pi), st.floats(-0.2, 0.2), st.integers(-9, 9), st.integers(-9, 9))
def test_what_ptychography_cannot_know_costs_nothing(factor: float, phase: float, slope: float, y: int, x: int) -> None:
    """Factor, phase, ramp and place are undone; the object is the same object."""
    image = factor * np.exp(1j * (phase + slope * (Y - X))) * TRUTH
    made = compare(_placed(image[20 - y : 120 - y, 20 - x : 120 - x]), _placed(TRUTH[20:120, 20:120]))
    np.testing.assert_allclose(made.shift_yx, (-y, -x), atol=0.011)
    assert made.amplitude.mae < 2e-3
    assert made.phase.mae < 5e-3
    assert made.contrast > 0.999
    assert made.detail > 0.99
    assert made.resolution["half_bit"].half_period_px == 1.0


def test_worse_objects_score_lower() -> None:
    """All figures that see blur agree on its order. The ring correlation is none of them: a blur
    takes from signal and truth alike as long as there is no noise."""
    made = [compare(_placed(_blurred(width)), _placed(TRUTH)) for width in (0.5, 1.5, 4.0)]
    for better, worse in pairwise(made):
        assert better.detail > worse.detail
        for part in ("amplitude", "phase"):
            one, other = getattr(better, part), getattr(worse, part)
            assert one.ssim > other.ssim
            assert one.ms_ssim > other.ms_ssim
            assert one.psnr_db > other.psnr_db


def test_phases_across_the_cut_are_neighbours() -> None:
    """An object around pi is as good as around 0, whichever side of the cut its pixels fall."""
    noise = 0.01 * np.random.default_rng(0).normal(size=TRUTH.shape)
    near, far = (compare(_placed(turn * np.exp(1j * noise) * TRUTH), _placed(turn * TRUTH)) for turn in (1, -1))
    assert far.phase.mae == pytest.approx(near.phase.mae, rel=1e-6)
    assert far.phase.mae < 0.02


def test_a_phase_object_has_figures_for_its_phase_only() -> None:
    """Its amplitude is 1 everywhere: there is an error but nothing it could be relative to."""
    truth = np.exp(1j * np.angle(TRUTH))
    made = compare(_placed(np.roll(truth, (2, -3), (0, 1))[8:-8, 8:-8]), _placed(truth[8:-8, 8:-8]))
    np.testing.assert_allclose(made.shift_yx, (-2, 3), atol=0.011)
    assert made.amplitude.ssim is None
    assert made.phase.ssim is not None
    assert made.phase.ssim > 0.99
    assert "-" in table(made).splitlines()[4]


@pytest.mark.parametrize(("pixel_m", "unit"), [(None, "px"), (4e-8, "\N{MICRO SIGN}m")])
def test_lengths_are_micrometres_where_a_file_knows_the_pixel(pixel_m: float | None, unit: str) -> None:
    """In the table, on both axes of every picture, and in the figures for programs."""
    made = compare(_placed(TRUTH), attrs.evolve(_placed(TRUTH), pixel_m=pixel_m))
    pictures = [axes for axes in comparison_figure(made).axes if axes.get_images() and axes.get_xlabel()]
    assert {axes.get_xlabel() for axes in pictures} == {f"x ({unit})"}
    width = made.phases.shape[2] * (1 if pixel_m is None else 1e6 * pixel_m)
    assert {round(abs(float(np.diff(axes.get_xlim())[0])), 6) for axes in pictures} <= {round(width, 6)}
    assert ("0.04 \N{MICRO SIGN}m" if pixel_m else "1.00 px") in table(made)
    assert made.figures()["pixel_m"] == pixel_m


def test_a_flat_reconstruction_is_judged_not_refused() -> None:
    """It is the result to beat: no contrast, no resolution."""
    made = compare(_placed(np.ones_like(TRUTH)), _placed(TRUTH))
    assert made.contrast == pytest.approx(0, abs=1e-6)
    assert made.amplitude.ssim is not None
    assert made.amplitude.ssim < 0.7


def test_known_origins_decide_what_is_compared() -> None:
    """Corners of one object meet without registration; unknown origins meet at their centres."""
    corner = _placed(TRUTH[:90, :100], origin_yx=(0, 0))
    other = _placed(TRUTH[30:, 40:], origin_yx=(30, 40))
    made = compare(corner, other)
    assert made.shift_yx == (0, 0)
    assert made.phases.shape == (2, 56, 56)
    assert compare(attrs.evolve(corner, origin_yx=None), corner).amplitude.psnr_db is None


def test_where_no_light_fell_nothing_is_compared() -> None:
    """A border of ones outside the illumination does not count."""
    image, light = np.ones_like(TRUTH), np.zeros(TRUTH.shape)
    image[30:110, 30:120], light[30:110, 30:120] = TRUTH[30:110, 30:120], 1.0
    made = compare(_placed(image, origin_yx=(0, 0), illumination=light), _placed(TRUTH, origin_yx=(0, 0)))
    assert made.amplitude.mae < 1e-6
    assert made.phases.shape == (2, 76, 86)


@pytest.mark.parametrize(
    ("image", "reference", "reason"),
    [
        (_placed(TRUTH, origin_yx=(0, 0)), _placed(TRUTH, origin_yx=(500, 0)), "0 x 140 px in common"),
        (_placed(TRUTH[:20]), _placed(TRUTH), "20 x 140 px in common"),
        (_placed(TRUTH), _placed(np.ones_like(TRUTH)), "is constant"),
    ],
)
def test_what_cannot_be_compared_is_refused(image: PlacedObject, reference: PlacedObject, reason: str) -> None:
    """Too small, too far apart, or nothing to compare with."""
    with pytest.raises(DataError, match=reason):
        compare(image, reference)


def _evaluate(*arguments: str) -> None:
    parser = Parser(prog="ptycho evaluate")
    evaluate.add_arguments(parser)
    parsed = parser.parse_args(arguments)
    parsed.work(parsed)


def test_the_command_prints_a_table_or_json_and_writes_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a folder nothing is written; the picture is one, and the JSON is the printed one."""
    np.save(tmp_path / "a.npy", _blurred(1.0))
    np.save(tmp_path / "b.npy", TRUTH)
    pair = (str(tmp_path / "a.npy"), str(tmp_path / "b.npy"))
    _evaluate(*pair)
    assert len({len(line) for line in capsys.readouterr().out.splitlines() if line}) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "b.npy"]
    _evaluate(*pair, "--json", "--output_dir", str(tmp_path / "out"))
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert printed["reference"] == "b.npy"
    names = ["comparison.png", "evaluation.json", "results.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert imread(tmp_path / "out" / "comparison.png").std() > 0.1


def test_several_are_compared_where_all_of_them_saw_light(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A foreign object without illumination is not scored over its unlit edge: the scan with the truth knows where that
    is. Every object has the same pixels; the command prints a line for each and draws them side by side."""
    y, x = (part.ravel() for part in np.mgrid[40:100:4, 40:110:4].astype(float))
    probe = np.exp(-((np.arange(32)[:, None] - 16) ** 2 + (np.arange(32) - 16) ** 2) / 60).astype(np.complex64)
    np.savez(tmp_path / "truth.npz", objectGuess=TRUTH, probeGuess=probe, xcoords=x, ycoords=y)
    foreign = np.ones_like(TRUTH)
    foreign[32:108, 32:118] = TRUTH[32:108, 32:118]
    np.save(tmp_path / "foreign.npy", foreign)
    light = np.zeros(TRUTH.shape, np.float32)
    light[50:130, 20:110] = 1.0
    np.savez(tmp_path / "blurred.npz", object=_blurred(2.0), origin_px=(0, 0), illumination=light)
    every = [str(tmp_path / name) for name in ("foreign.npy", "blurred.npz", "truth.npz")]
    first, second = compare_several([read_object(Path(one)) for one in every[:2]], read_object(Path(every[2])))
    assert np.abs(np.subtract(first.phases.shape, second.phases.shape)).max() <= 2
    assert first.phase.mae < 1e-6
    assert first.detail > 0.999 > second.detail
    _evaluate(*every, "--output_dir", str(tmp_path / "out"))
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:3]] == ["object", "foreign.npy", "blurred.npz"]
    assert len(json.loads((tmp_path / "out" / "evaluation.json").read_text())) == 2
    assert imread(tmp_path / "out" / "comparison.png").std() > 0.1


@settings(max_examples=30, deadline=None)
@given(st.floats(10, 19), st.floats(10, 19), st.floats(-0.3, 0.3))
def test_the_inner_rectangle_has_no_unlit_pixel(rows: float, columns: float, tilt: float) -> None:
    """Of an ellipse, of which the largest one has `2 / pi`, it is more than a third; all of a rectangle."""
    y, x = np.indices((40, 40)) - 19.5
    mask = ((y + tilt * x) / rows) ** 2 + (x / columns) ** 2 <= 1
    box = inner_rectangle(mask)
    assert mask[box].all()
    assert mask[box].sum() > mask.sum() / 3
    whole = np.zeros((40, 40), bool)
    whole[box] = True
    assert inner_rectangle(whole) == box
