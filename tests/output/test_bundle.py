"""The bundle: strict, free of pickle, and clear about what it is not."""

import json
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from ptycho_config import replay, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_torch.errors import DataError
from ptycho_torch.output.bundle import Bundle, load_bundle, save_bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.run_records import Losses, TrainingRecord, to_json

DERIVATION = derivation_of(resolve(TrainingSetup()))
RECORD = TrainingRecord(history=Losses((2.0, 1.0), (3.0, 2.5)), kept_epoch=1, seed=7)


def _bundle() -> Bundle:
    return Bundle(TrainingSetup(), {"a.weight": torch.arange(3.0)}, DERIVATION, RECORD)


def _rewritten(path: Path, changes: dict[str, bytes | None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update({name: data for name, data in changes.items() if data is not None})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            if changes.get(name, data) is not None:
                archive.writestr(name, data)
    return path


def _training_json(record: dict[str, Any]) -> bytes:
    return json.dumps({"derivation": to_json(DERIVATION), "record": record}).encode()


def test_what_is_saved_loads_back(tmp_path: Path) -> None:
    """From the archive or from its folder, and nothing else is left in the folder."""
    path = save_bundle(tmp_path, _bundle())
    assert [p.name for p in tmp_path.iterdir()] == ["wts.h5.zip"]
    for source in (path, tmp_path):
        loaded = load_bundle(source)
        assert loaded.setup == TrainingSetup()
        assert torch.equal(loaded.weights["a.weight"], torch.arange(3.0))
        assert loaded.record == RECORD


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"manifest.json": b'{"schema": "ptycho.bundle/9"}'}, "this version reads 'ptycho.bundle/2'"),
        ({"manifest.json": b"{"}, "is damaged"),
        ({"training.json": _training_json({"history": {}, "sed": 1})}, "sed"),
        ({"training.json": _training_json({"history": {}, "seed": 1.5})}, "seed"),
        ({"training.json": b'{"derivation": {"layers": []}, "record": {"history": {}}}'}, "fingerprint"),
        ({"training.json": b'{"derivation": {}}'}, "is damaged: 'record'"),
        ({"training.json": b"[]"}, "is damaged"),
        ({"weights.safetensors": b"nonsense"}, "is damaged"),
        ({"weights.safetensors": None}, "is damaged"),
        ({"config.json": b'{"training": {"nepochs": 3}}'}, "changed after training"),
        ({"config.json": b'{"training": {"nepoch": 3}}'}, "did you mean 'nepochs'"),
        ({"manifest.json": None}, "is not a bundle of this project"),
        ({"manifest.json": None, "manifest.dill": b""}, "pickled objects"),
    ],
)
def test_a_damaged_or_foreign_archive_is_named(tmp_path: Path, changes: dict[str, bytes | None], reason: str) -> None:
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
    broken = attrs.evolve(_bundle(), derivation=attrs.evolve(DERIVATION, config={"not json": object()}))
    with pytest.raises(TypeError):
        save_bundle(tmp_path, broken)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["wts.h5.zip"]


def test_a_bundle_of_the_first_version_is_read(tmp_path: Path) -> None:
    """Its derivation is brought to the present schema, its record becomes the record of today."""
    path = save_bundle(tmp_path, _bundle())
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    model, net = {"model": {"architecture": "primed"}}, {"net": {"kind": "primed"}}
    former = {"$schema": "ptycho.training/3", "training": model, "torch": net}
    record = {"history": {"train_loss": [2.0], "val_loss": []}, "seconds": {"data": 0.1, "training": 2.0}}
    steps = [{"path": "torch.net", "op": "put", "arg": "primed", "where": ""}]
    derivation = {"base": former, "layers": [{"layer": "profile", "steps": steps}], "config": former, "fingerprint": ""}
    training = {"derivation": derivation, "record": record}
    changes = {
        "manifest.json": json.dumps({**manifest, "schema": "ptycho.bundle/1"}).encode(),
        "training.json": json.dumps(training).encode(),
    }
    loaded = load_bundle(_rewritten(path, changes))
    assert loaded.record.history == Losses((2.0,))
    assert replay(TrainingSetup, to_json(loaded.derivation)).config.training.model.architecture == "unrolled"
