"""The bundle: strict, free of pickle, and clear about what it is not."""

import zipfile
from pathlib import Path

import pytest
import torch

from ptycho_config import TrainingSetup
from ptycho_torch.errors import DataError
from ptycho_torch.output.bundle import Bundle, load_bundle, save_bundle


def _bundle() -> Bundle:
    return Bundle(TrainingSetup(), {"a.weight": torch.arange(3.0)}, {"layers": []}, {"history": {}})


def _rewritten(path: Path, changes: dict[str, bytes | None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update({name: data for name, data in changes.items() if data is not None})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if changes.get(name, data) is not None:
                archive.writestr(name, data)
    return path


def test_what_is_saved_loads_back(tmp_path: Path) -> None:
    """From the archive or from its folder, and nothing else is left in the folder."""
    path = save_bundle(tmp_path, _bundle())
    assert [p.name for p in tmp_path.iterdir()] == ["wts.h5.zip"]
    for source in (path, tmp_path):
        loaded = load_bundle(source)
        assert loaded.setup == TrainingSetup()
        assert torch.equal(loaded.weights["a.weight"], torch.arange(3.0))
        assert loaded.record == {"history": {}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"manifest.json": b'{"schema": "ptycho.bundle/9"}'}, "this version reads 'ptycho.bundle/1'"),
        ({"manifest.json": b"{"}, "is damaged"),
        ({"weights.safetensors": b"nonsense"}, "is damaged"),
        ({"weights.safetensors": None}, "is damaged"),
        ({"config.json": b'{"training": {"nepochs": 3}}'}, "changed after training"),
        ({"config.json": b'{"training": {"nepoch": 3}}'}, "did you mean 'nepochs'"),
        ({"manifest.json": None}, "is not a bundle of this project"),
        ({"manifest.json": None, "manifest.dill": b""}, "pickled objects"),
    ],
)
def test_a_damaged_or_foreign_archive_is_named(
    tmp_path: Path, changes: dict[str, bytes | None], reason: str
) -> None:
    """Each kind of wrong archive has its own sentence."""
    path = _rewritten(save_bundle(tmp_path, _bundle()), changes)
    with pytest.raises(DataError, match=reason):
        load_bundle(path)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    """Missing and foreign files."""
    with pytest.raises(DataError, match=r"there is no wts\.h5\.zip"):
        load_bundle(tmp_path)
    (tmp_path / "wts.h5.zip").write_bytes(b"hello")
    with pytest.raises(DataError, match="is damaged"):
        load_bundle(tmp_path)


def test_a_failed_save_keeps_the_old_bundle(tmp_path: Path) -> None:
    """What was there before stays whole when the new one cannot be written."""
    path = save_bundle(tmp_path, _bundle())
    before = path.read_bytes()
    broken = Bundle(TrainingSetup(), {}, {"not json": object()}, {})
    with pytest.raises(TypeError):
        save_bundle(tmp_path, broken)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["wts.h5.zip"]
