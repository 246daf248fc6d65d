"""Generated pages are current."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_override_matrix_is_current() -> None:
    """Run `python docs/override_matrix.py` after a change of the schema or of a reader."""
    made = runpy.run_path(str(DOCS / "override_matrix.py"))
    assert (DOCS / "override_matrix.md").read_text(encoding="utf-8") == made["page"]()
