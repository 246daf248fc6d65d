"""Run golden cases of the configuration layer: `python -m tests.parity.config CASE_DIR`.

Prints a line for every failure and every declared divergence, and a summary; exits 1 on any
undeclared difference. Kinds that have no adapter yet count as failures.
"""

import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from tests.parity.config.adapter import DRIVEN, KINDS, Outcome, observe
from tests.parity.config.differences import differences
from tests.parity.config.rules import RULES

TABLE = Path(__file__).parents[1] / "divergences.toml"


def declared() -> dict[str, str]:
    """Rule name to its reason; every rule of the table has a predicate, and the other way round."""
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))["rule"]
    reasons = {rule["name"]: rule["why"] for rule in table}
    if set(reasons) != set(RULES):
        raise ValueError(f"table and predicates disagree: {sorted(set(reasons) ^ set(RULES))}")
    return reasons


def _judged(case: dict[str, Any]) -> tuple[str, str]:
    """As `judge`, for cases that the adapter understands."""
    if case["kind"] not in (*KINDS, *DRIVEN):
        return "failed", f"no adapter for kind {case['kind']!r} yet"
    with tempfile.TemporaryDirectory() as folder:
        outcome: Outcome = observe(case, Path(folder))
    left, used = differences(case, outcome), []
    for name, explains in RULES.items():
        explained = [difference for difference in left if explains(case, outcome, difference)]
        if explained:
            used.append(name)
            left = [difference for difference in left if difference not in explained]
    if left:
        return "failed", "; ".join(map(str, left[:3]))
    return ("diverges", ", ".join(used)) if used else ("passed", "")


def judge(case: dict[str, Any]) -> tuple[str, str]:
    """`(verdict, detail)`: passed, diverges (with the rules that explain it), or failed; a case that
    the adapter cannot run has failed, and the others still run."""
    try:
        return _judged(case)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this case's failure
        return "failed", f"could not be run: {type(error).__name__}: {error}"


def main(folder: Path) -> int:
    """Judge every case file of a folder."""
    counts = {"passed": 0, "diverges": 0, "failed": 0}
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        verdict, detail = judge(case)
        counts[verdict] += 1
        if verdict != "passed":
            print(f"{verdict} {case['id']}: {detail}")
    passed = counts["passed"] + counts["diverges"]
    print(f"{passed} passed ({counts['diverges']} by a declared divergence), {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
