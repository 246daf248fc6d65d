"""Names and sentences of the product, as far as a machine can judge them."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIRST = re.compile(r"(What|Of|How|Where)\b")
# Private words for illumination and intensity, valid pixels, neighbours, and what was given or reported.
NAMES = {"asked", "beside", "good", "light", "lit", "said", "told"}
# In sentences light is light, and a fit may be good.
PROSE = re.compile(r"\b(asked|beside|said|told|speaks? of)\b", re.IGNORECASE)
# Participles of irregular verbs that are not also the verb or a noun.
IRREGULAR = {"begun", "built", "chosen", "done", "drawn", "found", "given", "held", "hidden", "kept", "known"}
IRREGULAR |= {"lit", "lost", "made", "meant", "seen", "sent", "shown", "taken", "told", "written"}
# Verbs and nouns that end like a participle.
NO_PARTICIPLE = {"embed", "feed", "need", "seed", "speed"}
Rule = Callable[[ast.Module], Iterator[str]]


def _documented(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield getattr(node, "name", "module"), ast.get_docstring(node) or ""


def question_words(tree: ast.Module) -> Iterator[str]:
    """Docstrings that start with a clause where a noun or a verb should stand."""
    return (f"docstring of {name}" for name, text in _documented(tree) if FIRST.match(text))


def undocumented_arguments(tree: ast.Module) -> Iterator[str]:
    """Arguments of public functions with more than one that their docstring does not name."""
    for node in tree.body:
        overload = isinstance(node, ast.FunctionDef) and "overload" in map(ast.unparse, node.decorator_list)
        if isinstance(node, ast.FunctionDef) and not overload and not node.name.startswith("_"):
            every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            names = [one.arg for one in every if not one.arg.startswith("_")]
            text = ast.get_docstring(node) or ""
            if len(names) > 1:
                missing = (name for name in names if not re.search(rf"\b{name}\b", text))
                yield from (f"{node.name}: {name}" for name in missing)


def participles(tree: ast.Module) -> Iterator[str]:
    """Functions named by a participle alone, which says neither the effect nor the thing."""
    for node in tree.body:
        name = node.name.strip("_") if isinstance(node, ast.FunctionDef) else ""
        if name in IRREGULAR or ("_" not in name and name.endswith("ed") and name not in NO_PARTICIPLE):
            yield f"function {name}"


def private_names(tree: ast.Module) -> Iterator[str]:
    """Identifiers with a word that has a term of the field."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                if NAMES & set(name.split("_")):
                    yield f"name {name}"


def private_prose(tree: ast.Module) -> Iterator[str]:
    """Docstrings and messages with a private word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (f"{found[0]!r} in text" for found in PROSE.finditer(node.value))


RULES: dict[Rule, str] = {
    question_words: 'def frequency():\n    """What a frequency is."""',
    undocumented_arguments: 'def shift(image, shift_yx):\n    """Move an image."""',
    participles: "def _joined(parts): ...",
    private_names: "is_lit = 1",
    private_prose: 'raise ValueError("the option was not asked for")',
}


def _found(rule: Rule) -> list[str]:
    paths = [path for package in ("ptycho_config", "ptycho_torch") for path in (ROOT / package).rglob("*.py")]
    return [f"{path.relative_to(ROOT)}: {one}" for path in paths for one in rule(ast.parse(path.read_text()))]


@pytest.mark.parametrize("rule", RULES)
def test_the_product_keeps_the_rule(rule: Rule) -> None:
    """In both packages."""
    assert _found(rule) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_broken_example_is_caught(rule: Rule) -> None:
    """By each rule."""
    assert len(list(rule(ast.parse(RULES[rule])))) >= 1


def test_the_documents_have_no_private_words() -> None:
    """In the README and in every page of docs."""
    pages = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    assert [f"{page.name}: {found[0]}" for page in pages for found in PROSE.finditer(page.read_text())] == []
