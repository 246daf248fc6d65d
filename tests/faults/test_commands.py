"""The same verdict on a scan in every command, and exit status 3 with `--strict` where it is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest

from ptycho_torch.cli import main
from tests.faults.scans import good
from tests.runs import SMALL

STAR = Path(__file__).parents[1] / "data" / "siemens_star_64.npz"
Output = pytest.CaptureFixture[str]
SENTENCE = "positions fit the patterns with x and y exchanged"
OPTIONS: dict[str, list[str]] = {
    "inspect": [],
    "train": [f"{path}={value}" for path, value in SMALL.items()],
    "infer": ["torch.refine.passes=0", "torch.refine.unknown=[]"],
    "refine": [],
}


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan whose x and y are exchanged."""
    scan = good()
    y, x = scan.position_yx.T
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    np.savez(path, diff3d=scan.intensity[:], xcoords=y, ycoords=x, probeGuess=scan.probe)
    return path


@pytest.mark.filterwarnings("default:.*with x and y exchanged:RuntimeWarning")
@pytest.mark.parametrize("command", OPTIONS)
def test_a_wrong_scan_ends_with_3_where_a_command_is_strict(
    command: str, exchanged: Path, tmp_path: Path, capsys: Output
) -> None:
    """After its work, with the reason; the record of what was written has it."""
    words = [command, str(exchanged), "--strict"]
    if command != "inspect":
        words += ["--output_dir", str(tmp_path / "out"), "--quiet"]
    words += ["--passes", "1"] if command == "refine" else []
    for option in OPTIONS[command]:
        words += ["--set", option]
    assert main.main(words) == 3
    told = capsys.readouterr()
    assert SENTENCE in told.out + told.err
    if command != "inspect":
        *_, written = json.loads((tmp_path / "out" / "metrics.json").read_text()).values()
        assert written["verdict"]["level"] == "wrong"


def test_without_strict_the_verdict_is_only_said(exchanged: Path, capsys: Output) -> None:
    """Exit status 0."""
    assert main.main(["inspect", str(exchanged)]) == 0
    assert "wrong" in capsys.readouterr().out


def test_exchanged_coordinates_of_an_experimental_scan_are_named(tmp_path: Path, capsys: Output) -> None:
    """The right ones are sound."""
    with np.load(STAR) as arrays:
        stored = dict(arrays)
    stored["xcoords"], stored["ycoords"] = stored["ycoords"], stored["xcoords"]
    np.savez(tmp_path / "exchanged.npz", **stored)
    for path, status in ((STAR, 0), (tmp_path / "exchanged.npz", 3)):
        assert main.main(["inspect", str(path), "--strict"]) == status
        assert (SENTENCE in capsys.readouterr().out) == bool(status)
