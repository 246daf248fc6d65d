"""Generated pages are current."""

import runpy
from pathlib import Path

from syrupy.assertion import SnapshotAssertion

DOCS = Path(__file__).parent.parent / "docs"


def test_the_override_matrix_is_current() -> None:
    """Run `python docs/override_matrix.py` after a change of the schema or of a reader."""
    made = runpy.run_path(str(DOCS / "override_matrix.py"))
    assert (DOCS / "override_matrix.md").read_text(encoding="utf-8") == made["page"]()


def test_the_head_of_the_override_matrix(snapshot: SnapshotAssertion) -> None:
    """What the page promises, and its first rows without line numbers."""
    lines = (DOCS / "override_matrix.md").read_text().splitlines()
    shown = [line.rpartition(" | ")[0] if line.startswith("| `") else line for line in lines[:24]]
    assert shown == snapshot
