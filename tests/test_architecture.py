"""The direction of imports: every file uses only what stands before it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = {
    "ptycho_config": [
        "errors",
        "schema.scalars",
        "schema.table",
        "schema.checks",
        "schema.base",
        "schema.model",
        "schema.training",
        "schema.inference",
        "schema.execution",
        "schema.networks",
        "schema.forward",
        "schema.fine_tuning",
        "schema.grouping",
        "schema.refine",
        "schema.torch_options",
        "schema.setup",
        "schema",
        "transform",
        "lens",
        "resolve",
        "compiled",
        "codec",
        "migrations",
        "vocabulary.translation",
        "vocabulary.flat",
        "vocabulary.lifting",
        "vocabulary.aliases",
        "vocabulary",
        "documents",
        "json_schema",
        "profiles",
        "facts",
        "legacy.delta",
        "legacy.params",
        "legacy",
        "factory",
        "",
    ],
    "ptycho_torch": [
        "",
        "errors",
        "unconsumed",
        "records",
        "device",
        "physics",
        "physics.diffraction",
        "physics.patches",
        "physics.projection",
        "physics.phase_contrast",
        "physics.overlap",
        "physics.reassembly",
        "physics.probe",
        "physics.scaling",
        "physics.varpro",
        "physics.coarse",
        "physics.update",
        "physics.positions",
        "physics.windows",
        "physics.simulate",
        "nets.unet",
        "nets.primed",
        "nets.stitched",
        "nets.heads",
        "nets.gates",
        "nets.cnn_parts",
        "nets.cnn_decoder",
        "nets.cnn",
        "nets.spectral",
        "nets.fourier",
        "nets.neuralop",
        "nets.adapter",
        "nets.build",
        "nets",
        "nets.parts",
        "learned_probe",
        "output_scale",
        "reconstructor",
        "losses",
        "fine_tuning",
        "optimisation",
        "refine_batches",
        "refine",
        "stitch",
        "predict",
        "metrics",
        "fit",
        "data",
        "data.patterns",
        "data.scan",
        "data.neighbours",
        "data.grouping",
        "data.batches",
        "data.joint",
        "data.npz",
        "data.geometry",
        "data.raw",
        "data.hdf5_rows",
        "data.dialects",
        "data.dialects.source",
        "data.dialects.ptychodus",
        "data.dialects.cxi",
        "data.dialects.nexus",
        "data.dialects.ptyd",
        "data.hdf5",
        "data.npz_scan",
        "data.readers",
        "data.summary",
        "data.labels",
        "files",
        "config_factory",
        "data.writers",
        "pretrained",
        "pretrained.family",
        "figures",
        "evaluation.registration",
        "evaluation.fourier_ring",
        "evaluation.similarity",
        "evaluation.read",
        "evaluation.compare",
        "evaluation.draw",
        "evaluation",
        "product",
        "report",
        "bundle",
        "lightning_module",
        "lightning_ranks",
        "lightning_callbacks",
        "lightning_setup",
        "trainer",
        "api.boundary",
        "api.clusters",
        "api.ranks",
        "api.training",
        "rank",
        "api.improving",
        "api.solving",
        "api.inference",
        "api.refinement",
        "api",
        "pretrained.__main__",
        "workflows",
        "workflows.components",
        "workflows.backend_selector",
        "cli",
        "cli.options",
        "cli.flags",
        "cli.shared",
        "cli.common",
        "sweep.plan",
        "sweep.run",
        "sweep.results",
        "sweep",
        "sweep.trial",
        "cli.sweep",
        "cli.evaluate",
        "cli.refine",
        "cli.inspect",
        "train",
        "inference",
        "cli.main",
        "compat",
        "compat.ptychodus",
        "compat.ptychodus.settings",
        "compat.ptychodus.lifting",
        "compat.ptychodus.checkpoint",
        "compat.ptychodus.training",
        "compat.ptychodus.inference",
        "config_params",
        "config_bridge",
        "lightning_utils",
        "model",
        "api.base_api",
    ],
}
PURE = {
    "physics",
    "nets",
    "reconstructor",
    "learned_probe",
    "output_scale",
    "optimisation",
    "losses",
    "stitch",
    "predict",
    "refine",
    "refine_batches",
    "records",
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


def _backward(package: str, order: list[str]) -> list[str]:
    rank = {name: position for position, name in enumerate(order)}
    wrong = []
    for name, path in _modules(package).items():
        for imported in _imports(path):
            inner = imported.removeprefix(package).removeprefix(".") if imported.startswith(package) else None
            if inner is not None and rank[inner] >= rank[name]:
                wrong.append(f"{name} imports {inner}")
    return wrong


@pytest.mark.parametrize("package", ORDER)
def test_every_module_has_a_place_and_imports_only_from_before_it(package: str) -> None:
    """The declared order is complete and kept."""
    assert sorted(_modules(package)) == sorted(ORDER[package])
    assert _backward(package, ORDER[package]) == []


def test_an_import_against_the_stream_is_caught() -> None:
    """Declared the other way round, the order is violated."""
    assert _backward("ptycho_config", ORDER["ptycho_config"][::-1]) != []


def test_only_the_algebra_stays_free_of_arrays() -> None:
    """`ptycho_config` imports neither torch, numpy nor the backend."""
    used = {name.partition(".")[0] for path in _modules("ptycho_config").values() for name in _imports(path)}
    assert not used & {"torch", "numpy", "lightning", "ptycho_torch"}


def test_the_pure_core_knows_no_files_and_no_lightning() -> None:
    """Physics, networks, losses and stitching compute and do nothing else."""
    for name, path in _modules("ptycho_torch").items():
        if name.partition(".")[0] in PURE:
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
        "lightning_callbacks",
        "lightning_module",
        "lightning_ranks",
        "lightning_setup",
        "trainer",
    ]


def test_the_legacy_dict_is_written_at_the_boundary_only() -> None:
    """`update_legacy_dict` is called by the verbs, the dispatcher, and the helper made for it."""
    callers = [
        name for name, path in _modules("ptycho_torch").items() if "update_legacy_dict(" in path.read_text()
    ]
    assert sorted(callers) == [
        "api.inference",
        "api.training",
        "compat.ptychodus.inference",
        "compat.ptychodus.training",
        "config_factory",
        "workflows.backend_selector",
    ]


def test_a_reconstruction_does_not_wait_for_lightning() -> None:
    """It is imported by trainings only."""
    used = "import sys, ptycho_torch.api as api; api.reconstruct, api.refine_scan"
    code = f"{used}; sys.exit('lightning' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
