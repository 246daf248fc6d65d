"""An editable install, as type checkers see it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"


def _editable_files(project: Path, settings: str) -> dict[str, str]:
    """The Python and path files of the editable wheel of a copy of this project with these settings."""
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    for package in ("ptycho_config", "ptycho_torch", "benchmarks", "docs"):
        (project / package).mkdir()
        (project / package / "__init__.py").touch()
    (project / "pyproject.toml").write_text(settings)
    subprocess.run([sys.executable, "-c", BUILD, "wheel"], cwd=project, check=True, capture_output=True)
    (wheel,) = (project / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        names = [name for name in files.namelist() if name.endswith((".pth", ".py"))]
        return {name: files.read(name).decode().strip() for name in names}


def test_an_editable_install_is_a_path_that_type_checkers_can_follow(tmp_path: Path) -> None:
    """Type checkers read path files; an import hook they do not run."""
    settings = (ROOT / "pyproject.toml").read_text()
    assert list(_editable_files(tmp_path, settings).values()) == [str(tmp_path)]


def test_an_import_hook_is_told_from_a_path(tmp_path: Path) -> None:
    """Without the setting, setuptools installs the hook."""
    settings = (ROOT / "pyproject.toml").read_text()
    files = _editable_files(tmp_path, settings.replace('package-dir = { "" = "." }', ""))
    assert any("finder" in name for name in files)
