"""Generated pages are current."""

import ast
import re
import runpy
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves

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


CITED = re.compile(r"`([\w/.]+\.py)::([\w.]+)`")


def _defined(path: Path) -> dict[str, ast.AST]:
    """The functions, classes, methods and constants of a module by name."""
    found: dict[str, ast.AST] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else ():
        match node:
            case ast.FunctionDef(name=name):
                found[name] = node
            case ast.ClassDef(name=name):
                found[name] = node
                found |= {f"{name}.{one.name}": one for one in node.body if isinstance(one, ast.FunctionDef)}
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = node
    return found


def _missing(page: Path, text: str) -> list[str]:
    """Links, files, names in files, and modules that a page names and that are not there."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text)]
    found = [link for link in links if link and not (page.parent / link).exists()]
    found += [f"{file}::{name}" for file, name in CITED.findall(text) if name not in _defined(ROOT / file)]
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
    """A link, a name in a file, a file and a module."""
    gone = ["gone.md", "tests/test_docs.py::gone", "ptycho_torch/gone.py", "ptycho_torch.data.gone"]
    assert _missing(DOCS / "x.md", "[a]({}) `{}` `{}` `{}`".format(*gone)) == gone


def _rules_without_test(text: str) -> list[str]:
    """The rules in a table whose last column names no test, or one that does not name the rule."""
    wrong = []
    for rule, tests in re.findall(r"^\| ([A-Z]+-\d{3}) \|.*\|([^|]*)\|$", text, re.MULTILINE):
        named = [_defined(ROOT / file).get(name) for file, name in CITED.findall(tests)]
        sentences = [ast.get_docstring(one) or "" for one in named if isinstance(one, ast.FunctionDef)]
        wrong += [] if sentences and all(rule in sentence for sentence in sentences) else [rule]
    return wrong


def test_every_rule_of_the_replaced_system_is_named_where_it_is_tested() -> None:
    """The page names the tests, and each of them the rule."""
    text = (DOCS / "factory_design.md").read_text(encoding="utf-8")
    rules = ("CONFIG-001", "CONFIG-002", "DATA-001", "FORMAT-001", "POLICY-001")
    assert all(f"| {rule} |" in text for rule in rules)
    assert _rules_without_test(text) == []


def test_a_rule_without_a_test_is_caught() -> None:
    """No test named, and a test that is about another rule."""
    other = "`tests/config/test_legacy.py::test_execution_settings_have_no_legacy_form`"
    assert _rules_without_test(f"| DATA-001 | a | b | none |\n| DATA-002 | a | b | {other} |") == [
        "DATA-001",
        "DATA-002",
    ]


def _unanswered(text: str) -> list[str]:
    """The open questions without a proposed answer or without a place in the code."""
    section = text.partition("## Decisions")[2].partition("\n## ")[0]
    questions = section.split("\n- ")[1:]
    assert questions
    return [one for one in questions if "*Proposed:*" not in one or not re.search(r"`[\w/]+\.py", one)]


def test_every_open_question_has_a_place_and_a_proposed_answer() -> None:
    """Whoever decides sees where, and what we would do."""
    text = (DOCS / "open_questions.md").read_text(encoding="utf-8")
    assert _unanswered(text) == []
    assert len(_unanswered(text.replace("*Proposed:*", ""))) >= 5


def test_the_index_lists_every_page() -> None:
    """A reader finds every page from the index."""
    listed = re.findall(r"\]\((\w+\.md)\)", (DOCS / "index.md").read_text(encoding="utf-8"))
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= set(listed)


def test_the_site_has_every_page() -> None:
    """Each once, and every notebook."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in (*DOCS.glob("*.md"), *DOCS.glob("notebooks/*.ipynb"))]
    assert sorted(re.findall(r": ([\w/]+\.(?:md|ipynb))$", settings, re.MULTILINE)) == sorted(pages)


def _unknown_objects(text: str) -> list[str]:
    """The `::: package.module.Name` of a page that there are not."""
    names = (name.rpartition(".") for name in re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    return [name for module, _, name in names if name not in _defined(ROOT / f"{module.replace('.', '/')}.py")]


def test_the_python_reference_names_what_there_is() -> None:
    """The site takes its text from the docstring; a name that is gone is caught."""
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    assert text.count(":::") > 10
    assert _unknown_objects(text) == []
    assert _unknown_objects("::: ptycho_torch.records.Gone") == ["Gone"]
