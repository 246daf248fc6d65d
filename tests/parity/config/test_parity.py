"""The golden cases of the configuration layer: equal, or declared different by a rule with a reason."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.parity.config.__main__ import TABLE, judge

ROOT = Path(__file__).parents[3]
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_passes_or_its_difference_is_declared(path: Path) -> None:
    """The rules that explain a case are those whose list names it."""
    verdict, detail = judge(json.loads(path.read_text()))
    table = tomllib.loads(TABLE.read_text())["rule"]
    declared = [rule["name"] for rule in table if path.stem in rule["cases"]]
    assert verdict != "failed", detail
    assert sorted(detail.split(", ") if detail else []) == sorted(declared)


@pytest.mark.parametrize("value", [65, 64.0, "64", None])
def test_an_undeclared_difference_is_caught(value: object) -> None:
    """Another default, another number type, text and nothing are all seen."""
    case = json.loads((Path(__file__).parent / "cases" / "canon_model_defaults.json").read_text())
    assert judge(case)[0] == "passed"
    case["output"]["result"]["fields"]["N"] = value
    assert judge(case)[0] == "failed"


def test_the_command_reports_and_exits(tmp_path: Path) -> None:
    """0 where all is equal or declared; 1 with a line for what is not, kinds without adapter included."""
    command = [sys.executable, "-m", "tests.parity.config"]
    done = subprocess.run(
        [*command, str(CASES[0].parent)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")
    (tmp_path / "x.json").write_text(json.dumps({"id": "x", "kind": "telepathy", "input": {}, "output": {}}))
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert (
        done.stdout
        == "failed x: no adapter for kind 'telepathy' yet\n0 passed (0 by a declared divergence), 1 failed\n"
    )
