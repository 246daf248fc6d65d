"""Generated pages are current."""

import re
import runpy
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.base import leaves

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_the_override_matrix_is_current() -> None:
    """Run `python docs/override_matrix.py` after a change of the schema."""
    made = runpy.run_path(str(DOCS / "override_matrix.py"))
    assert (DOCS / "override_matrix.md").read_text(encoding="utf-8") == made["page"]()


def test_the_head_of_the_override_matrix(snapshot: SnapshotAssertion) -> None:
    """What the page promises, and its first rows."""
    assert (DOCS / "override_matrix.md").read_text().splitlines()[:24] == snapshot


def test_the_page_of_open_questions_is_current() -> None:
    """Every option that is refused, with the sentence of its field."""
    made = runpy.run_path(str(DOCS / "override_matrix.py"))
    text = (DOCS / "open_questions.md").read_text(encoding="utf-8")
    assert made["questions"](text) == text
    assert all(f"`{path}`" in text for path, spec in leaves(TrainingSetup) if spec.unread)


def _missing(page: Path, text: str) -> list[str]:
    """Links, files and modules that a page names and that are not there."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    found = [link for link in links if link and not (page.parent / link).exists()]
    files = re.findall(r"`((?:ptycho_config|ptycho_torch|tests|benchmarks|docs)/[\w/.]+\.\w+)`", text)
    found += [name for name in files if not (ROOT / name).exists()]
    modules = re.findall(r"`((?:ptycho_config|ptycho_torch)(?:\.[a-z_]+)+)[`(]", text)
    return found + [name for name in modules if not _exists(name)]


def _exists(dotted: str) -> bool:
    """Whether a dotted name is a module, or stands in the text of one."""
    path = ROOT / dotted.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    parent = path.parent / "__init__.py" if path.parent.is_dir() else path.parent.with_suffix(".py")
    return parent.is_file() and path.name in parent.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    """No dead link, and no file or module that has moved."""
    assert _missing(page, page.read_text(encoding="utf-8")) == []


def test_a_dead_name_is_caught() -> None:
    """A link, a file and a module."""
    text = "[a](gone.md) `ptycho_torch/gone.py` `ptycho_torch.data.gone`"
    assert _missing(DOCS / "x.md", text) == ["gone.md", "ptycho_torch/gone.py", "ptycho_torch.data.gone"]


def test_the_index_lists_every_page() -> None:
    """A reader finds every page from the index."""
    listed = re.findall(r"\]\((\w+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= set(listed)
