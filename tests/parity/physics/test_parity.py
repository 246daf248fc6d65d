"""The golden vectors of the physics: equal, or different by a declared rule; and nothing hides a fault."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.parity.physics.__main__ import Judged, judge_file, main
from tests.parity.physics.registry import FAMILIES
from tests.parity.physics.rules import PAGE, declared

ROOT = Path(__file__).parents[3]
VECTORS = Path(__file__).parent / "vectors"
FILES = sorted(path.stem for path in VECTORS.glob("*.npz"))


@cache
def _judged(stem: str) -> list[Judged]:
    return judge_file(VECTORS / f"{stem}.npz")


def _spoiled(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Off by 1e-3 of the value; by one, where it is whole; turned, where it is true or false."""
    if values.dtype.kind == "b":
        return ~values
    if values.dtype.kind in "iu":
        return values + 1
    step = np.where(values == 0, np.abs(values).max() or 1, values)
    return (values + 1e-3 * step).astype(values.dtype)


@pytest.mark.parametrize("stem", FILES)
def test_every_output_is_equal_or_declared(stem: str) -> None:
    """Every array of a file is an input or compared."""
    judged = _judged(stem)
    assert [str(one) for one in judged if one.verdict == "failed"] == []
    assert len(judged) >= len(FAMILIES[stem].checks)


def test_every_family_has_vectors() -> None:
    """And the other way round."""
    assert sorted(FAMILIES) == FILES


@pytest.mark.parametrize("stem", FILES)
def test_no_rule_hides_a_wrong_value(stem: str, tmp_path: Path) -> None:
    """Whatever output is off by a thousandth, its case fails."""
    with np.load(VECTORS / f"{stem}.npz") as stored:
        arrays = dict(stored)
    path = tmp_path / f"{stem}.npz"
    for case in [one.case for one in _judged(stem)]:
        name = case.partition("/")[2]
        np.savez(path, **{**arrays, name: _spoiled(arrays[name])})  # type: ignore[arg-type]
        (judged,) = judge_file(path, only=name)
        assert (judged.case, judged.verdict) == (case, "failed")


def test_every_rule_is_used_and_has_a_reason() -> None:
    """The table has no row that explains nothing."""
    judged = [one for stem in FILES for one in _judged(stem)]
    used = {rule for one in judged if one.verdict == "by rule" for rule in one.detail.split(", ")}
    assert used == set(declared())
    assert all(len(rule.reason) > 80 and "Checked:" in rule.reason for rule in declared().values())
    assert len(declared()) == len(re.findall(r"^\| `", PAGE.read_text(), re.MULTILINE))


def test_a_broken_file_fails_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cut in the middle, its line says that it cannot be read; the others run."""
    shutil.copy(VECTORS / "model_losses.npz", tmp_path)
    whole = (VECTORS / "frc.npz").read_bytes()
    (tmp_path / "frc.npz").write_bytes(whole[: len(whole) // 2])
    assert main(tmp_path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("frc.npz: failed: cannot be read: ")
    assert [line for line in lines[1:] if ": failed" in line] == []
    assert re.fullmatch(r"\d+ passed \(\d+ by a declared rule\), 1 failed", lines[-1])


def test_a_damaged_array_fails_those_that_need_it(tmp_path: Path) -> None:
    """One wrong byte in the middle of one array, which its checksum shows."""
    raw = bytearray((VECTORS / "model_losses.npz").read_bytes())
    raw[raw.index(b"tv.npy") + 60] ^= 0xFF
    (tmp_path / "model_losses.npz").write_bytes(raw)
    failed = [one for one in judge_file(tmp_path / "model_losses.npz") if one.verdict == "failed"]
    assert [one.case for one in failed] == ["model_losses/tv"]
    assert "could not be run: BadZipFile" in failed[0].detail


def test_missing_and_unknown_arrays_fail(tmp_path: Path) -> None:
    """Nothing is left out in silence."""
    with np.load(VECTORS / "model_losses.npz") as stored:
        arrays = {name: stored[name] for name in stored.files if name != "tv"}
    np.savez(tmp_path / "model_losses.npz", **arrays, entropy=np.ones(3))  # type: ignore[arg-type]
    failed = {one.case: one.detail for one in judge_file(tmp_path / "model_losses.npz") if one.verdict == "failed"}
    assert failed == {
        "model_losses/tv": "the file has no such array",
        "model_losses/entropy": "nothing compares it; add a check, or name it as an input, in registry.py",
    }


def test_a_file_of_an_unknown_name_fails_with_what_to_do(tmp_path: Path) -> None:
    """And with the names that are known."""
    shutil.copy(VECTORS / "frc.npz", tmp_path / "entropy.npz")
    (judged,) = judge_file(tmp_path / "entropy.npz")
    assert judged.verdict == "failed"
    assert judged.detail.startswith("no checks for files of this name; known are grouping, scaling")
    assert judged.detail.endswith("add a family to registry.py")


def test_the_command_reports_and_exits(tmp_path: Path) -> None:
    """0 where all is equal or declared; 1 on failures, and where there is nothing to compare."""
    command = [sys.executable, "-m", "tests.parity.physics"]
    shutil.copy(VECTORS / "model_losses.npz", tmp_path)
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")
    assert "model_losses/tv: equal by declared rule losses_per_pixel" in done.stdout
    assert main(tmp_path / "empty") == 1
