"""The golden cases of the configuration layer: equal, or declared different by a rule with a reason."""

import copy
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.parity.config.__main__ import TABLE, declared, judge
from tests.parity.config.given import arguments, same_option
from tests.parity.config.rules import RULES

ROOT = Path(__file__).parents[3]
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def _case(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "cases" / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_passes_or_its_difference_is_declared(path: Path) -> None:
    """The rules that explain a case are those whose list names it."""
    verdict, detail = judge(json.loads(path.read_text()))
    table = tomllib.loads(TABLE.read_text())["rule"]
    named = [rule["name"] for rule in table if path.stem in rule["cases"]]
    assert verdict != "failed", detail
    assert sorted(detail.split(", ") if detail else []) == sorted(named)


def test_every_rule_has_a_reason_and_a_predicate() -> None:
    """Table and code agree."""
    assert set(declared()) == set(RULES)
    assert all(len(reason) > 20 for reason in declared().values())


@pytest.mark.parametrize("value", [65, 64.0, "64", None])
def test_an_undeclared_difference_is_caught(value: object) -> None:
    """Another default, another number type, text and nothing are all seen."""
    case = _case("canon_model_defaults")
    assert judge(case)[0] == "passed"
    case["output"]["result"]["fields"]["N"] = value
    assert judge(case)[0] == "failed"


def _leaves(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*place, key))
    elif not str(place[-1]).startswith("$"):
        yield place


SPOILED = ("ft_minimal", "ft_gridsize2", "ft_profile_ci", "fi_minimal", "bridge_training_ok")


@pytest.mark.parametrize("name", SPOILED)
def test_no_rule_hides_a_wrong_value(name: str) -> None:
    """Whatever single value of the canonical config that the case does not give itself is spoiled,
    the case fails."""
    case = _case(name)
    given = arguments(case)
    for place in _leaves(case["output"]["result"]):
        if "fields" not in place or any(str(part).startswith(("pt_", "execution_")) for part in place):
            continue
        if any(same_option(place[-1], option) for option in given):
            continue
        spoiled = copy.deepcopy(case)
        node = spoiled["output"]["result"]
        for key in place[:-1]:
            node = node[key]
        node[place[-1]] = "spoiled"
        allowed = name.startswith("fi_") and place[-1] in ("neighbor_count", "subsample_seed")
        assert judge(spoiled)[0] == ("diverges" if allowed else "failed"), place


SCAN = {"probeGuess": {"shape": [64, 64], "dtype": "complex64"}}
SCAN |= {name: {"shape": [4], "dtype": "float64"} for name in ("xcoords", "ycoords")}
SCAN |= {"diffraction": {"shape": [4, 64, 64], "dtype": "float32"}}


def _command(argv: list[str], output: dict[str, Any]) -> dict[str, Any]:
    files = {"files": {"tr.npz": {"npz": SCAN}}}
    given = ["--train_data_file", "${TMP}/tr.npz", "--output_dir", "${TMP}/out", *argv]
    base = {"warnings": [], "output_dir_created": False}
    return {"id": "made", "kind": "cli_train", "input": {"fs": files, "argv": given}, "output": {**base, **output}}


def _refusal(code: int) -> dict[str, Any]:
    return {"type": "SystemExit", "code": code}


MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "a bare training config": (
        "a_model_has_defaults",
        {
            "kind": "construct",
            "input": {"object": {"$class": "canonical.TrainingConfig", "fields": {}}},
            "output": {"exception": {"type": "TypeError", "message_contains": ["missing", "model"]}},
        },
    ),
    "an integer for a real number": (
        "values_have_the_type_of_their_field",
        {
            "kind": "construct",
            "input": {"object": {"$class": "canonical.ModelConfig", "fields": {"probe_scale": 2}}},
            "output": {
                "result": {
                    "$class": "canonical.ModelConfig",
                    "fields": {**_case("canon_model_defaults")["output"]["result"]["fields"], "probe_scale": 2},
                }
            },
        },
    ),
    "a scheduler that their flag does not list": (
        "every_value_has_a_flag",
        _command(["--scheduler", "WarmupCosine"], {"exception": _refusal(2), "argparse_error_on_stderr": True}),
    ),
    "an impossible pair of flags": (
        "commands_check_what_they_are_given",
        _command(["--batch_size", "12"], {"factory_kwargs": {}}),
    ),
    "the oldest route": (
        "the_oldest_route_is_gone",
        _command(["--ptycho_dir", "${TMP}/tr.npz"], {"exception": _refusal(1)}),
    ),
    "a probe that is larger than the patterns": (
        "the_file_decides_its_size",
        {
            "kind": "factory_training",
            "input": {
                "fs": {
                    "files": {
                        "tr.npz": {
                            "npz": {
                                **SCAN,
                                "diffraction": {"shape": [4, 96, 96], "dtype": "float32"},
                                "probeGuess": {"shape": [96, 96], "dtype": "complex64"},
                            }
                        }
                    }
                },
                "kwargs": {
                    "train_data_file": {"$path": "${TMP}/tr.npz"},
                    "output_dir": {"$path": "${TMP}/out"},
                    "overrides": {},
                },
            },
            "output": {"result": {}},
        },
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_a_rule_holds_for_cases_it_has_not_seen(name: str) -> None:
    """Rules without a public case, on inputs of the same kinds."""
    rule, case = MADE[name]
    verdict, detail = judge({"id": name, **case})
    assert verdict == "diverges", detail
    assert rule in detail.split(", ")


def test_an_override_that_theirs_gives_two_meanings() -> None:
    """The flat option of that name is another one, and keeps its value."""
    case = _case("ft_minimal")
    case["input"]["kwargs"]["overrides"]["n_subsample"] = 3
    case["output"]["result"]["pt_data_config"]["fields"]["n_subsample"] = 3
    case["output"]["result"]["tf_training_config"]["fields"]["n_subsample"] = 3
    case["output"]["result"]["overrides_applied"]["n_subsample"] = 3
    case["output"]["cfg"]["delta"]["n_subsample"] = 3
    verdict, detail = judge(case)
    assert verdict == "diverges", detail
    assert "one_meaning_per_name" in detail


def test_the_command_reports_and_exits(tmp_path: Path) -> None:
    """0 where all is equal or declared; 1 with a line for what is not, kinds without adapter included."""
    command = [sys.executable, "-m", "tests.parity.config"]
    few = tmp_path / "few"
    few.mkdir()
    for case in CASES[:3]:
        shutil.copy(case, few)
    done = subprocess.run([*command, str(few)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].endswith(" 0 failed")
    (tmp_path / "x.json").write_text(json.dumps({"id": "x", "kind": "telepathy", "input": {}, "output": {}}))
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert (
        done.stdout
        == "failed x: no adapter for kind 'telepathy' yet\n0 passed (0 by a declared divergence), 1 failed\n"
    )


def test_a_case_that_cannot_be_run_fails_alone() -> None:
    """Its error is its verdict."""
    verdict, detail = judge({"id": "x", "kind": "construct", "input": {}})
    assert verdict == "failed"
    assert "could not be run: KeyError" in detail
