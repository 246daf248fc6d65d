"""The direction of imports: every folder uses only what stands below it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Sets of folders and top-level modules, lowest first: each imports only from sets before its own, and
# from itself.
LAYERS: dict[str, list[set[str]]] = {
    "ptycho_config": [
        {"errors"},
        {"versions", "short_names", "formats"},
        {"schema"},
        {"steps"},
        {"conflicts"},
        {"draft"},
        {"apply"},
        {"transform"},
        {"lens", "layers"},
        {"resolve"},
        {"codec", "named_functions"},
        {"saved_values", "written_options"},
        {"saved", "documents", "json_schema"},
        {"migrations", "vocabulary", "policy"},
        {"profiles", "facts", "legacy"},
        {"factory"},
        {""},
    ],
    "ptycho_torch": [
        {"errors", "records", "verdict", "pretrained"},
        {"files", "device", "memory", "registry"},
        {"run_folder"},
        {"physics"},
        {"judgement"},
        {"nets", "data"},
        {"output"},
        {"reconstruction", "watch"},
        {"evaluation", "training"},
        {"simulation"},
        {"api"},
        {"sweep", "pretraining", "prepare"},
        {"scan_set"},
        {"compat"},
        {"cli"},
        {""},
    ],
}
# Names under which other programs look for what stands elsewhere; at most six lines each.
SHIMS = {
    "api.base_api",
    "cli.shared",
    "config_bridge",
    "config_factory",
    "config_params",
    "inference",
    "lightning_utils",
    "model",
    "train",
    "workflows",
    "workflows.backend_selector",
    "workflows.components",
}
PURE = {"physics", "judgement", "nets", "records"}
PURE_MODULES = {
    "reconstruction.fit_scales",
    "reconstruction.padding",
    "reconstruction.patch_statistics",
    "reconstruction.predict",
    "reconstruction.refine",
    "reconstruction.refine_batches",
    "reconstruction.scan_measurements",
    "reconstruction.stitch",
    "training.fine_tuning",
    "training.losses",
    "training.optimizer",
}
FILE_LIBRARIES = {"pathlib", "h5py", "json", "zipfile", "logging", "os"}


def _modules(package: str) -> dict[str, Path]:
    found = {}
    for path in (ROOT / package).rglob("*.py"):
        parts = path.relative_to(ROOT / package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def _imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _place(name: str) -> str:
    """The folder of a module, or its own name where it stands at the top."""
    return name.partition(".")[0]


def _inner_imports(package: str, path: Path) -> set[str]:
    found = {name for name in _imports(path) if name == package or name.startswith(f"{package}.")}
    return {name.removeprefix(package).removeprefix(".") for name in found}


def _upward(package: str, layers: list[set[str]]) -> list[str]:
    """Every import that does not go down, as `module imports module`."""
    rank = {place: number for number, places in enumerate(layers) for place in places}
    wrong = []
    for name, path in _modules(package).items():
        for imported in _inner_imports(package, path) if name not in SHIMS else ():
            here, there = _place(name), _place(imported)
            if here != there and rank[there] >= rank[here]:
                wrong.append(f"{name} imports {imported}")
    return wrong


@pytest.mark.parametrize("package", LAYERS)
def test_every_folder_has_a_layer_and_imports_only_from_those_below(package: str) -> None:
    """No arrow runs back up, and no circle of folders is possible."""
    places = {_place(name) for name in _modules(package) if name not in SHIMS}
    assert places == set().union(*LAYERS[package])
    assert _upward(package, LAYERS[package]) == []


@pytest.mark.parametrize("package", LAYERS)
def test_an_import_against_the_stream_is_caught(package: str) -> None:
    """Declared the other way round, the layers are violated."""
    assert _upward(package, LAYERS[package][::-1]) != []


@pytest.mark.parametrize("package", LAYERS)
def test_modules_import_each_other_in_no_circle(package: str) -> None:
    """Within a folder too."""
    modules = _modules(package)
    below = {name: _inner_imports(package, path) & set(modules) - {name} for name, path in modules.items()}
    while free := [name for name, needed in below.items() if not needed]:
        for name in free:
            del below[name]
        below = {name: needed - set(free) for name, needed in below.items()}
    assert below == {}


def test_the_algebra_knows_no_option_of_this_project() -> None:
    """What every configuration uses imports the making of config classes, and neither classes nor vocabulary."""
    own_rooms = next(at for at, rooms in enumerate(LAYERS["ptycho_config"]) if "vocabulary" in rooms)
    general = set().union(*LAYERS["ptycho_config"][:own_rooms])
    modules = _modules("ptycho_config")
    project = {"schema", *(name for name, path in modules.items() if "\n@config" in path.read_text())}
    for name in {one for one in modules if _place(one) in general} - project:
        assert not _inner_imports("ptycho_config", modules[name]) & project, name


def test_a_foreign_name_is_a_shim_of_six_lines() -> None:
    """What other programs import under another name is a few imports and nothing else."""
    modules = _modules("ptycho_torch")
    assert {name for name in SHIMS if len(modules[name].read_text().splitlines()) > 6} == set()


def test_commands_and_sweep_do_not_know_each_other_both_ways() -> None:
    """The command of a sweep imports the sweep; the sweep imports no command."""
    sweeps = {path for name, path in _modules("ptycho_torch").items() if _place(name) == "sweep"}
    assert not [path for path in sweeps if any("ptycho_torch.cli" in name for name in _imports(path))]


def test_only_the_algebra_stays_free_of_arrays() -> None:
    """`ptycho_config` imports neither torch, numpy nor the backend."""
    used = {name.partition(".")[0] for path in _modules("ptycho_config").values() for name in _imports(path)}
    assert not used & {"torch", "numpy", "lightning", "ptycho_torch"}


def test_the_pure_core_knows_no_files_and_no_lightning() -> None:
    """Physics, networks, losses and stitching compute and do nothing else."""
    for name, path in _modules("ptycho_torch").items():
        if _place(name) in PURE or name in PURE_MODULES:
            used = {imported.partition(".")[0] for imported in _imports(path)}
            assert not used & (FILE_LIBRARIES | {"lightning"}), name


def test_lightning_is_known_to_the_adapter_only() -> None:
    """Lightning is an adapter."""
    users = [
        name
        for name, path in _modules("ptycho_torch").items()
        if any(imported.partition(".")[0] == "lightning" for imported in _imports(path))
    ]
    assert sorted(users) == [
        "training.callbacks",
        "training.checkpoints",
        "training.divergence",
        "training.lightning_module",
        "training.lightning_setup",
        "training.ranks",
        "training.trainer",
    ]


def test_the_legacy_dict_is_written_at_the_boundary_only() -> None:
    """It is called by the verbs, the dispatcher, and the helper made for it."""
    calls = re.compile(r"\b(update_legacy_dict|legacy_values)\(")
    callers = [name for name, path in _modules("ptycho_torch").items() if calls.search(path.read_text())]
    assert sorted(callers) == [
        "api.inference",
        "api.training",
        "compat.ptychodus.inference",
        "compat.ptychodus.training",
        "compat.ptychopinn.backend_selector",
        "compat.ptychopinn.config_factory",
    ]


def test_a_reconstruction_does_not_wait_for_lightning() -> None:
    """It is imported by trainings only."""
    used = "import sys, ptycho_torch.api as api; api.reconstruct, api.refine_scan"
    code = f"{used}; sys.exit('lightning' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
