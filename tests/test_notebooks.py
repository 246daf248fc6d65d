"""The notebooks run from top to bottom, and say what they say in the repository."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def _texts(notebook: Any) -> list[str]:
    """The text of each cell, in whichever pieces it arrived, and the value that it ends with."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return ["".join(_text(output) for output in cell.outputs) for cell in cells]


def _text(output: Any) -> str:
    return str(output.get("text") or output["data"].get("text/plain", ""))


# The others take as long again each; run by `make slow`.
QUICK = {"config_tour", "quickstart"}


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=() if path.stem in QUICK else pytest.mark.slow, id=path.stem) for path in NOTEBOOKS],
)
@pytest.mark.filterwarnings("default")  # Jupyter's own
def test_a_notebook_runs_and_its_outputs_are_current(path: Path) -> None:
    """Executed in a fresh kernel; every printed text and value is compared."""
    stored = nbformat.read(path, as_version=4)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=120, kernel_name="python3").execute()
    assert _texts(fresh) == _texts(stored)


def test_there_is_a_tour() -> None:
    """The glob above finds them all."""
    names = ["compare_runs", "config_tour", "low_dose", "own_network_and_loss", "quickstart"]
    assert [path.stem for path in NOTEBOOKS] == names
