"""A small simulated scan and one model trained on it, shared by the pipeline tests."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ptycho_torch
from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, train
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan

SMALL: dict[str, Any] = {
    "training.nepochs": 2,
    "training.batch_size": 8,
    "torch.net.width": 4,
    "torch.net.stages": 1,
    "training.neighbor_count": 12,
    "torch.overlap.partners": 6,
    "torch.refine.passes": 0,
}


class RecordingDict(dict[str, Any]):
    """A real legacy dict that also runs an action whenever it is updated."""

    def __init__(self, action: Any = lambda: None) -> None:
        super().__init__()
        self.action = action
        self.updates: list[dict[str, Any]] = []

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Remember the values and update, at first after the action."""
        if not self.updates:
            self.action()
        super().update(*args, **kwargs)
        self.updates.append(dict(self))


def start_rank_1_with(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process of rank 1 that is started from now on runs `code` first."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    (folder / "sitecustomize.py").write_text(f"import os\nif os.environ.get('RANK') == '1':\n{lines}")
    root = Path(ptycho_torch.__file__).parents[1]
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{root}")


@pytest.fixture(scope="session")
def scan_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 patterns of 64x64."""
    path = tmp_path_factory.mktemp("scan") / "scan.npz"
    write_scan(path, simulate_scan(natural_object("camera", "coins", 100), seed=0))
    return path


@pytest.fixture(scope="session")
def trained(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingRun]:
    """Two epochs of a tiny network."""
    folder = tmp_path_factory.mktemp("model")
    return train(scan_file, folder, sources=Sources(overrides=SMALL), legacy={})
