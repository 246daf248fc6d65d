"""No function, method or class of the product is called by tests alone.

From the commands, the verbs, the names that other programs import and the documents, the tests follow every
name that reached code uses; a method is reached where its class is and reached code uses an attribute of its
name, of whatever object. So a name that is listed is not used, and one that is not listed nearly always is.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

from tests.test_architecture import SHIMS

ROOT = Path(__file__).parent.parent
PUBLIC = {"ptycho_config", "ptycho_torch.api", *(f"ptycho_torch.{name}" for name in SHIMS)}
# Libraries call these by name, and everything marked as an override.
HOOKS = {"_check_value", "backward", "configure_gradient_clipping", "configure_optimizers", "emit", "forward"}
HOOKS |= {
    "do_GET",
    "load_checkpoint",
    "log_message",
    "parse_known_args",
    "remove_checkpoint",
    "save_checkpoint",
    "set_epoch",
    "state_dict",
}
HOOKS |= {"training_step", "truncate", "validation_step"}
# Decorators that keep nothing; any other one may keep what it decorates for a caller.
PLAIN = {"cache", "cached_property", "classmethod", "config", "contextmanager", "dataclass_transform"}
PLAIN |= {"define", "frozen", "lru_cache", "no_grad", "once_differentiable", "overload", "property"}
PLAIN |= {"staticmethod"}
Place = tuple[str, str]  # module, and name, Class.method, or "" for the other statements of the module


def _imports(tree: ast.Module) -> Iterator[tuple[str, Place]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((one.asname or one.name, (one.name, "")) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                yield node.module if one.name == "*" else one.asname or one.name, (node.module, one.name)


class Code:
    """Modules: where each name is defined, and which names each definition uses."""

    def __init__(self, sources: dict[str, str]) -> None:
        trees = {module: ast.parse(source) for module, source in sources.items()}
        self.imports = {module: dict(_imports(tree)) for module, tree in trees.items()}
        self.parts: dict[Place, list[ast.AST]] = {}
        for module, tree in trees.items():
            self.parts[module, ""] = []
            for node in tree.body:
                for name, inner in self._split(node):
                    self.parts.setdefault((module, name), []).extend(inner)

    @staticmethod
    def _split(node: ast.stmt) -> Iterator[tuple[str, list[ast.AST]]]:
        match node:
            case ast.ClassDef(name=name):
                methods = [one for one in node.body if isinstance(one, ast.FunctionDef)]
                yield name, [one for one in ast.iter_child_nodes(node) if one not in methods]
                yield from ((f"{name}.{one.name}", [one]) for one in methods)
            case ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name, [node]
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, [node]
            case _:
                yield "", [node]

    def find(self, module: str, name: str) -> Place | None:
        """The definition behind a name of a module, through imports; None for those of other packages."""
        known = self.imports.get(module, {})
        if (module, name) in self.parts:
            return module, name
        if name in known:
            return self.find(*known[name])
        if (f"{module}.{name}", "") in self.parts:
            return f"{module}.{name}", ""
        starred = [there for there, what in known.values() if what == "*"]
        return next((found for there in starred if (found := self.find(there, name))), None)

    def uses(self, place: Place) -> Iterator[tuple[Place | None, str]]:
        """The definitions that a definition names, and the attributes."""
        module = place[0]
        yield (module, ""), ""
        for part in self.parts[place]:
            nodes = list(ast.walk(part))
            local = {node.arg for node in nodes if isinstance(node, ast.arg)}
            if isinstance(part, ast.FunctionDef):
                local |= {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for node in nodes:
                match node:
                    case ast.Name(id=name) if name not in local:
                        yield self.find(module, name), ""
                    case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name not in local:
                        there = self.find(module, name)
                        yield self.find(there[0], attribute) if there and not there[1] else None, attribute
                    case ast.Attribute(attr=attribute):
                        yield None, attribute
                    case ast.ImportFrom(module=str(there), names=names):
                        # The module, the packages around it, and modules among what it is asked for all run.
                        ends = [there, *(f"{there}.{one.name}" for one in names)]
                        ends += [there[:end] for end, letter in enumerate(there) if letter == "."]
                        yield from (((end, ""), "") for end in ends if (end, "") in self.parts)

    def _called_by_others(self, place: Place) -> bool:
        marks = chain.from_iterable(getattr(part, "decorator_list", ()) for part in self.parts[place])
        names = {ast.unparse(one).partition("(")[0].rpartition(".")[2] for one in marks}
        name = place[1].rpartition(".")[2]
        return bool(names - PLAIN) or name in HOOKS or name.startswith(("__", "on_"))

    def reached(self, roots: set[Place]) -> set[Place]:
        """All definitions that the roots lead to."""
        found: set[Place] = set()
        attributes: set[str] = set()
        while new := roots - found:
            found |= new
            used = list(chain.from_iterable(map(self.uses, new)))
            attributes |= {name for _, name in used}
            roots = {place for place, _ in used if place}
            for module, name in self.parts.keys() - found:
                owner, _, own = name.rpartition(".")
                known = own in attributes and bool(owner)
                if (module, owner) in found and (known or self._called_by_others((module, name))):
                    roots.add((module, name))
        return found


def product() -> dict[str, str]:
    """The source of every module of both packages."""
    paths = chain((ROOT / "ptycho_config").rglob("*.py"), (ROOT / "ptycho_torch").rglob("*.py"))
    names = {path: path.relative_to(ROOT).with_suffix("").parts for path in paths}
    return {".".join(p for p in parts if p != "__init__"): path.read_text() for path, parts in names.items()}


def users() -> dict[str, str]:
    """The source of all that imports the product: ptychodus, the documents, the benchmarks."""
    client = find_spec("ptychodus")
    assert client is not None
    assert client.submodule_search_locations is not None
    folders = [Path(client.submodule_search_locations[0], "model", "ptychopinn_torch")]
    folders += [ROOT / "docs", ROOT / "benchmarks"]
    paths = chain.from_iterable(folder.glob("*.py") for folder in folders)
    sources = {f"{path.parent.name}/{path.stem}": path.read_text() for path in paths}
    for path in (ROOT / "docs").rglob("*.ipynb"):
        cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        sources[path.stem] = "\n".join("".join(cell["source"]) for cell in cells)
    for path in (ROOT / "docs").glob("*.md"):
        sources[path.stem] = "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))
    return sources


def unreached(product: dict[str, str], users: dict[str, str]) -> list[str]:
    """The definitions that no command, verb, foreign name or user leads to."""
    code = Code(product | users)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"].values()
    roots = [code.find(*script.split(":")) for script in scripts]
    roots += [place for place in code.parts if place[0] in users]
    roots += [(module, "") for module, source in product.items() if "__main__" in module + source]
    for module in PUBLIC:
        roots += [(module, ""), *(code.find(*target) for target in code.imports[module].values())]
        for there in [there for there, what in code.imports[module].values() if what == "*"]:
            listed = [ast.walk(part) for part in code.parts.get((there, "__all__"), [])]
            names = [one.value for one in chain.from_iterable(listed) if isinstance(one, ast.Constant)]
            roots += [code.find(there, name) for name in names]
    left = code.parts.keys() - code.reached({root for root in roots if root})
    return sorted(f"{module}.{name}" for module, name in left if name and module in product)


# Still to be moved to the tests, deleted, or used; shrink it to nothing.
LEFT = {
    "ptycho_config.legacy.params.LegacyParams.clear",
    "ptycho_config.legacy.params.LegacyParams.padded_size",
    "ptycho_config.legacy.params.LegacyParams.padding_size",
    "ptycho_config.legacy.params.LegacyParams.seal",
    "ptycho_config.legacy.params.LegacyParams.unseal",
}
PLANTED = """
def planted():
    planted()

class Planted(Moments): ...

PLANTED = 1
"""


def test_no_definition_is_for_tests_alone() -> None:
    """What only tests call stands in the tests."""
    assert set(unreached(product(), users())) == LEFT


def test_a_definition_that_nothing_uses_is_caught() -> None:
    """A function that calls itself, a class, a constant, and a method of a class that is used."""
    sources, module, head = product(), "ptycho_torch.physics.varpro", "class Moments:\n"
    method = f"{head}    def planted(self): ...\n\n"
    sources[module] = sources[module].replace(head, method) + PLANTED
    found = {f"{module}.{name}" for name in ("planted", "Planted", "PLANTED", "Moments.planted")}
    assert set(unreached(sources, users())) - LEFT == found
