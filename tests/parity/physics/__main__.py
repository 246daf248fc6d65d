"""Run golden vectors of the physics: `python -m tests.parity.physics VECTOR_DIR`.

Prints a line for every golden output, `file/output`: equal, equal by declared rule NAME, or failed with
what is wrong; then the counts. Exits 1 on any failure, and where there is nothing to run. A file that
cannot be read, a name that nothing knows, and a case that cannot be run fail alone.
"""

import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tests.parity.physics.arrays import Vectors
from tests.parity.physics.registry import FAMILIES, Family
from tests.parity.physics.rules import allowed
from tests.parity.physics.verdict import Check


class Judged(NamedTuple):
    """A golden output `file/output`, its verdict (equal, by rule, failed), and rules or faults."""

    case: str
    verdict: str
    detail: str

    def __str__(self) -> str:
        if self.verdict == "by rule":
            return f"{self.case}: equal by declared rule {self.detail}"
        return f"{self.case}: {self.verdict}" + (f": {self.detail}" if self.detail else "")


def _one(case: str, vectors: Vectors, name: str, check: Check) -> Judged:
    try:
        verdict, detail = check(vectors, name).verdict()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this case's failure
        return Judged(case, "failed", f"could not be run: {type(error).__name__}: {error}")
    undeclared = [rule for rule in detail.split(", ") if not allowed(rule, case)] if verdict == "by rule" else []
    if undeclared:
        return Judged(case, "failed", f"docs/physics_parity.md does not declare {', '.join(undeclared)} for it")
    return Judged(case, verdict, detail)


def _matching(name: str, patterns: tuple[str, ...]) -> str | None:
    return next((pattern for pattern in patterns if fnmatchcase(name, pattern)), None)


def _cases(stem: str, family: Family, vectors: Vectors, only: str | None) -> Iterator[Judged]:
    met = set()
    for name in [name for name in vectors if only in {None, name}]:
        pattern = name if name in family.checks else _matching(name, tuple(family.checks))
        if pattern is not None:
            met.add(pattern)
            yield _one(f"{stem}/{name}", vectors, name, family.checks[pattern])
        elif _matching(name, family.inputs) is None:
            hint = "nothing compares it; add a check, or name it as an input, in registry.py"
            yield Judged(f"{stem}/{name}", "failed", hint)
    for pattern in family.checks:
        if only is None and pattern not in met:
            yield Judged(f"{stem}/{pattern}", "failed", "the file has no such array")


def judge_file(path: Path, only: str | None = None) -> list[Judged]:
    """Every case of a file, or that of one array, or one failure where the file itself is no good."""
    family = FAMILIES.get(path.stem)
    if family is None:
        hint = f"no checks for files of this name; known are {', '.join(FAMILIES)}; add a family to registry.py"
        return [Judged(path.name, "failed", hint)]
    try:
        vectors = Vectors(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is this file's failure
        return [Judged(path.name, "failed", f"cannot be read: {type(error).__name__}: {error}")]
    try:
        return list(_cases(path.stem, family, vectors, only))
    finally:
        vectors.close()


def main(folder: Path) -> int:
    """Judge every vector file of a folder."""
    counts = {"equal": 0, "by rule": 0, "failed": 0}
    for path in sorted(folder.glob("*.npz")):
        for judged in judge_file(path):
            counts[judged.verdict] += 1
            print(judged)
    equal, by_rule, failed = counts.values()
    print(f"{equal + by_rule} passed ({by_rule} by a declared rule), {failed} failed")
    if not sum(counts.values()):
        print(f"no .npz files in {folder}", file=sys.stderr)
    return 1 if failed or not sum(counts.values()) else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.parity.physics VECTOR_DIR")
    sys.exit(main(Path(sys.argv[1])))
