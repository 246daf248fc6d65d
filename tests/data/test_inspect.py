"""`ptycho inspect`: what it tells of a scan, and that it tells it of a scan that is of no use too."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from ptycho_torch.cli import main as umbrella
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.physics.spacing import effective_diameter

REAL = Path(__file__).parent / "siemens_star_64.npz"
Output = pytest.CaptureFixture[str]


def test_the_experimental_scan(snapshot: SnapshotAssertion, capsys: Output) -> None:
    """Every line of a real file."""
    assert umbrella.main(["inspect", str(REAL)]) == 0
    assert capsys.readouterr().out == snapshot


def test_a_file_with_geometry_and_a_mask(layouts: Any, tmp_path: Path, snapshot: SnapshotAssertion) -> None:
    """Metres, keV, bad pixels."""
    mask = np.zeros((64, 64), bool)
    mask[:2] = True
    root = {"photon_energy_eV": 8113.9, "detector_object_distance_m": 2.0}
    layouts.write(tmp_path / "product.h5", layouts.product(), root)
    path = layouts.write(tmp_path / "diffraction.h5", layouts.diffraction(bad_pixels=mask))
    assert describe(open_scan(path)) == snapshot


def test_json_is_what_configurations_need(capsys: Output) -> None:
    """As a program reads it."""
    assert umbrella.main(["inspect", "--json", str(REAL)]) == 0
    assert json.loads(capsys.readouterr().out)["n_patterns"] == 516


def test_a_folder_is_told_scan_by_scan(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """Each by name."""
    layouts.write(tmp_path / "a.cxi", layouts.cxi())
    layouts.write(tmp_path / "b.h5", layouts.training_data())
    assert umbrella.main(["inspect", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["a.cxi", "b.h5"]


def test_a_scan_of_no_use_is_described_first(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """What is there, then what is missing and how to give it, and status 2."""
    path = layouts.write(tmp_path / "scan.ptyd", layouts.ptyd(probe=np.ones((32, 32), np.complex64)))
    assert umbrella.main(["inspect", str(path)]) == 2
    told = capsys.readouterr()
    assert "36 of 64 x 64, float32" in told.out
    assert "probe has 32 x 32 pixels, the patterns 64 x 64" in told.err


def test_a_scan_without_a_probe_can_be_reconstructed(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """As `ptycho infer` does, which retrieves one; a training names what it lacks."""
    path = layouts.write(tmp_path / "scan.ptyd", layouts.ptyd(probe=None))
    assert umbrella.main(["inspect", str(path)]) == 0
    told = capsys.readouterr()
    assert "retrieve one" in told.out
    assert "not known without a probe" in told.out
    assert umbrella.main(["train", str(path), "--output_dir", str(tmp_path / "out")]) == 2
    assert "has no probe" in capsys.readouterr().err


def test_bad_scans_of_a_folder_hide_no_other(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """Each is told, of the bad ones why; status 2 and one line that counts and names them."""
    layouts.write(tmp_path / "a.ptyd", layouts.ptyd(probe=np.ones((32, 32), np.complex64)))
    (tmp_path / "b.npz").write_bytes(b"no archive")
    whole = REAL.read_bytes()
    (tmp_path / "c.npz").write_bytes(bytes(64) + whole[64:])
    layouts.write(tmp_path / "d.cxi", layouts.cxi())
    assert umbrella.main(["inspect", str(tmp_path)]) == 2
    told = capsys.readouterr()
    by_name = dict.fromkeys(name for name in told.out.splitlines() if not name.startswith(" "))
    assert list(by_name) == ["a.ptyd", "b.npz", "c.npz", "d.cxi"]
    reasons = [line for line in told.out.splitlines() if line.startswith("  unusable   ")]
    assert [reason.split()[1:3] for reason in reasons] == [["probe", "has"], ["is", "not"], ["'diff3d.npy'", "is"]]
    assert told.err == f"error: {tmp_path}: 3 of 4 scans cannot be used: a.ptyd, b.npz, c.npz\n"


def test_usable_scans_of_different_size_are_still_refused(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """Each can be used by itself, but not all together."""
    layouts.write(tmp_path / "a.cxi", layouts.cxi())
    probe, places = np.ones((32, 32), np.complex64), np.arange(5.0)
    np.savez(tmp_path / "b.npz", diff3d=np.ones((5, 32, 32)), xcoords=places, ycoords=places, probeGuess=probe)
    assert umbrella.main(["inspect", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert "unusable" not in told.out
    assert "different size (a.cxi: 64 px, b.npz: 32 px)" in told.err


@pytest.mark.parametrize(
    "changes",
    [
        {"patterns": np.ones((36, 64, 32), np.float32)},
        {"patterns": np.full((36, 64, 64), np.nan)},
        {"probe": np.zeros((1, 64, 64), complex)},
        {"probe_position_y_px": np.full(36, np.nan)},
        {"probe": np.ones((32, 32), complex)},
    ],
    ids=["oblong", "nan", "dark probe", "lost", "other probe"],
)
def test_whatever_is_wrong_can_be_described(changes: dict[str, Any], layouts: Any, tmp_path: Path) -> None:
    """A description is no check: it never fails on values."""
    path = layouts.write(tmp_path / "a.h5", layouts.training_data(**changes))
    assert "ptychodus training data" in describe(open_scan(path))


@given(st.floats(4.0, 20.0))
def test_the_diameter_of_a_disc_and_of_a_gaussian(radius: float) -> None:
    """The disc's own, and 4 sigma."""
    y, x = np.mgrid[-64:64, -64:64]
    assert effective_diameter((x**2 + y**2 <= radius**2).astype(float)) == pytest.approx(2 * radius, rel=0.1)
    sigma = radius / 2
    gaussian = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    assert effective_diameter(gaussian) == pytest.approx(4 * sigma, rel=0.01)


def test_help_starts_without_torch() -> None:
    """Torch is imported when a file is read and not before."""
    code = "import sys; from ptycho_torch.cli import inspect, main; main.parser(); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_a_picture_of_a_scan_is_written(layouts: Any, tmp_path: Path, capsys: Output) -> None:
    """As PNG, of one scan."""
    path = layouts.write(tmp_path / "scan.cxi", layouts.cxi())
    assert umbrella.main(["inspect", str(path), "--draw", str(tmp_path / "scan.png")]) == 0
    assert (tmp_path / "scan.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "two").mkdir()
    for name in "ab":
        (tmp_path / "two" / f"{name}.cxi").write_bytes(path.read_bytes())
    assert umbrella.main(["inspect", str(tmp_path / "two"), "--draw", str(tmp_path / "scan.png")]) == 2
    assert "holds 2 scans, --draw shows one" in capsys.readouterr().err


UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "negative": ({"diff3d": -1.0}, "holds negative values in 36 patterns"),
    "NaN": ({"diff3d": np.nan}, "holds NaN or infinite values in 36 patterns"),
    "dark": ({"diff3d": 0.0}, "is zero everywhere"),
    "positions": ({"xcoords": np.inf}, "positions (xcoords or ycoords) hold NaN or infinite values"),
    "span": ({"xcoords": 1e6}, "positions span"),
    "masked": ({"bad_pixels": True}, "marks every pixel"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_inspect_refuses_what_infer_refuses_with_the_same_sentence(
    name: str, layouts: Any, tmp_path: Path, capsys: Output
) -> None:
    """Word for word."""
    y, x = layouts.scan.position_yx.T
    arrays = {"diff3d": layouts.scan.counts, "xcoords": x, "ycoords": y, "probeGuess": layouts.scan.probe}
    arrays["bad_pixels"] = np.zeros((64, 64), bool)
    changes, sentence = UNUSABLE[name]
    ((key, value),) = changes.items()
    arrays[key] = np.full_like(arrays[key], value) if key != "xcoords" else x * value
    np.savez(tmp_path / "scan.npz", **arrays)
    told = []
    for command in (["inspect"], ["infer", "--output_dir", str(tmp_path / "out"), "--quiet"], ["refine", "--quiet"]):
        assert umbrella.main([command[0], str(tmp_path / "scan.npz"), *command[1:]]) == 2
        told.append(capsys.readouterr().err.splitlines()[-1])
    assert sentence in told[0]
    assert set(told) == {told[0]}
