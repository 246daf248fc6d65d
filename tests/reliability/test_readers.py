"""A damaged or planted bundle or checkpoint is a DataError, and can neither run nor remove anything."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_config import Sources
from ptycho_torch.api import TrainingRun, train
from ptycho_torch.compat.ptychodus.checkpoint import read_checkpoint as read_client_model
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.readers import open_scan
from ptycho_torch.errors import DataError
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.training.checkpoints import LAST, read_checkpoint
from tests.fuzz.artefacts import write_artefact
from tests.runs import SMALL

FLIPS = 60


@pytest.mark.parametrize(("name", "read"), [("wts.h5.zip", load_bundle), (str(LAST), read_checkpoint)])
def test_a_flipped_byte_is_noticed_or_changes_nothing(
    name: str, read: Callable[[Path], Any], trained: TrainingRun, tmp_path: Path
) -> None:
    """Anywhere in the file: its data have digests; what else there is, as dates, decides nothing."""
    content = (trained.bundle.parent / name).read_bytes()
    path, noticed = tmp_path / Path(name).name, 0
    path.write_bytes(content)
    whole = _weights(read(path))
    for place in range(0, len(content), len(content) // FLIPS):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            found = _weights(read(path))
        except DataError:
            noticed += 1
        else:
            assert all(torch.equal(found[key], one) for key, one in whole.items()), place
        path.write_bytes(content[:place])
        with pytest.raises(DataError):
            read(path)
    assert noticed > FLIPS / 2


def test_a_flipped_byte_of_a_client_model_is_noticed(tmp_path: Path) -> None:
    """Anywhere in its weights and texts."""
    path = write_artefact("client model", tmp_path)
    content, whole = path.read_bytes(), read_client_model(path)[0].weights
    noticed = 0
    for place in range(0, len(content), len(content) // FLIPS):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            found = read_client_model(path)[0].weights
        except DataError:
            noticed += 1
        else:
            assert all(torch.equal(found[key], one) for key, one in whole.items()), place
    assert noticed > FLIPS / 2


@pytest.mark.parametrize("in_memory", [0, 2**26])
def test_a_flipped_byte_of_patterns_is_noticed(in_memory: int, scan_file: Path, tmp_path: Path) -> None:
    """Of those that stay in their file too."""
    path = tmp_path / "scan.npz"
    with np.load(scan_file) as archive:
        np.savez(path, **archive)
    content = bytearray(path.read_bytes())
    place = content.index(b"diff3d.npy") + 4000
    content[place] ^= 1
    path.write_bytes(content)
    with open_scan(path) as scan, pytest.raises(DataError, match=r"'diff3d' cannot be read: Bad CRC-32"):
        read_dataset(scan, "normalized_amplitude", in_memory=in_memory)


def _weights(read: Any) -> dict[str, torch.Tensor]:
    return dict(read["state_dict"] if isinstance(read, dict) else read.weights)


def test_a_size_that_no_bundle_has_takes_no_memory(trained: TrainingRun, tmp_path: Path) -> None:
    """A member of 100 MB, packed into a few kB."""
    path = tmp_path / "wts.h5.zip"
    with zipfile.ZipFile(trained.bundle) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, b" " * 10**8 if name == "training.json" else old.read(name))
    with pytest.raises(DataError, match=r"training\.json declares 100000000 bytes"):
        load_bundle(path)


def _train(scan: Path, folder: Path, *, resume: bool = False, **options: Any) -> TrainingRun:
    return train(scan, folder, sources=Sources(overrides={**SMALL, **options}), legacy={}, resume=resume)


def test_a_planted_checkpoint_removes_nothing(scan_file: Path, tmp_path: Path) -> None:
    """Paths in a checkpoint are names in its own folder."""
    _train(scan_file, tmp_path / "run", **{"training.nepochs": 1})
    last, victim = tmp_path / "run" / LAST, tmp_path / "victim"
    victim.write_text("kept")
    stored = torch.load(last, weights_only=True)
    (best,) = (state for name, state in stored["callbacks"].items() if name.startswith("BestEpochs"))
    places = [str(last.parent / ".." / ".." / "victim"), str(victim)]
    for place in places:
        best.update(best_k_models={place: torch.tensor(9.0)}, kth_best_model_path=place, kth_value=torch.tensor(9.0))
        content = io.BytesIO()
        torch.save(stored, content)
        last.write_bytes(content.getvalue())
        with pytest.raises(DataError, match="is no name of a checkpoint"):
            _train(scan_file, tmp_path / "run", resume=True)
        assert victim.read_text() == "kept"
