"""Execute the notebooks in place, so that they show current outputs: `python docs/run_notebooks.py`."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).with_name("notebooks")


def run(path: Path) -> None:
    """Run all cells in a fresh kernel and write the notebook back, without timings."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for found in sorted(FOLDER.glob("*.ipynb")):
        run(found)
        print(f"ran {found.name}")
