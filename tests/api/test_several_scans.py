"""A folder of scans is one training set: each scan keeps its own probe, scale and neighbours."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ptycho_config import Sources
from ptycho_torch.api import reconstruct, resolve_training, train
from ptycho_torch.data.joint_dataset import JointDataset, JointSampler, parts_of
from ptycho_torch.data.patterns import StreamedAmplitude
from ptycho_torch.data.readers import inspect_dataset, read_scan, scan_files
from ptycho_torch.errors import DataError
from ptycho_torch.output.product import write_product, write_reconstruction
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.records import Canvas
from ptycho_torch.training.datasets import training_data
from tests.data.test_batches import _clusters
from tests.runs import SMALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scans of different objects and photon counts, and a file that is none."""
    path = tmp_path_factory.mktemp("scans")
    write_scan(path / "b.npz", simulate_scan(natural_object("camera", "coins", 100), seed=0, photons=1e5))
    write_scan(path / "a.npz", simulate_scan(natural_object("coffee", "chelsea", 94), seed=1, photons=1e6))
    (path / "notes.txt").write_text("not a scan")
    return path


def test_a_folder_is_trained_on_as_a_whole(folder: Path, tmp_path: Path) -> None:
    """Groups of both scans; the result reconstructs either."""
    run = train(folder, tmp_path, sources=Sources(overrides={**SMALL, "subsample_seed": 1}), legacy={})
    facts = inspect_dataset(folder)
    assert run.record.groups == pytest.approx(0.95 * facts.n_patterns, abs=2)
    assert str(run.configs.explain("training.model.N")).endswith(f"probeGuess of {folder.name}")
    for name in ("a.npz", "b.npz"):
        made = reconstruct(folder / name, tmp_path / name, model=run.bundle, legacy={})
        assert np.isfinite(made.canvas.object).all()


def test_scans_that_do_not_fit_into_memory_together_stay_in_their_files(folder: Path, tmp_path: Path) -> None:
    """Each has its share of the memory, where it is not compressed; what is read is the same."""
    for path in folder.glob("*.npz"):
        with np.load(path) as compressed:
            np.savez(tmp_path / path.name, **compressed)
    setup = resolve_training(tmp_path, tmp_path, sources=Sources(overrides=SMALL))[0].config
    kept, streamed = (
        [part.scan.amplitude for part in parts_of(training_data(setup, 0, in_memory=room).training)]
        for room in (2**30, 2**18)
    )
    rows = torch.tensor([3, 0, 7])
    for one, other in zip(kept, streamed, strict=True):
        assert isinstance(one, torch.Tensor)
        assert isinstance(other, StreamedAmplitude)
        torch.testing.assert_close(one[rows], other[rows], rtol=0, atol=0)


def test_scans_are_taken_by_name(folder: Path) -> None:
    """The order does not depend on the file system; other files are not touched."""
    assert [path.name for path in scan_files(folder)] == ["a.npz", "b.npz"]


def test_what_cannot_be_one_training_set_is_refused(folder: Path, tmp_path: Path) -> None:
    """No scans, or patterns of different size, each named."""
    with pytest.raises(DataError, match="is a folder without scans"):
        scan_files(tmp_path)
    shutil.copy(folder / "a.npz", tmp_path)
    probe = np.ones((32, 32), np.complex64)
    patterns, places = np.ones((5, 32, 32)), np.arange(5.0)
    np.savez(tmp_path / "c.npz", diff3d=patterns, xcoords=places, ycoords=places, probeGuess=probe)
    with pytest.raises(DataError, match=r"different size \(a.npz: 64 px, c.npz: 32 px\)"):
        inspect_dataset(tmp_path)


def test_an_output_among_the_scans_is_named(folder: Path, tmp_path: Path) -> None:
    """It is neither passed over nor called a broken scan; without it the folder is what it was."""
    shutil.copy(folder / "a.npz", tmp_path)
    dataset = read_scan(folder / "a.npz", "count_intensity")
    canvas = Canvas(np.ones((90, 90), np.complex64), np.ones((90, 90), np.float32), (0, 0))
    write_product(tmp_path / "product.h5", dataset, canvas, [])
    write_reconstruction(tmp_path / "reconstruction.npz", canvas)
    for name, fix in (
        ("product.h5", "move it elsewhere, or put its patterns, diffraction.h5, next to it"),
        ("reconstruction.npz", "move it elsewhere"),
    ):
        with pytest.raises(DataError) as caught:
            train(tmp_path, tmp_path / "out", legacy={})
        path = tmp_path / name
        assert str(caught.value) == f"{path}: is an output of ptycho, not a scan ({fix})"
        path.unlink()
    assert inspect_dataset(tmp_path).name == "a.npz"


def _keys(epoch: int, **more: Any) -> list[Any]:
    parts = (_clusters(partners=1), _clusters(partners=1))
    sampler = JointSampler(parts, 8, more.get("seed", 0), shuffle=more.get("shuffle", True))
    sampler.set_epoch(epoch)
    assert len(list(sampler)) == len(sampler)
    return list(sampler)


def test_every_group_of_every_scan_comes_once_an_epoch() -> None:
    """Each batch from one scan, batches mixed."""
    keys = _keys(0)
    for part in (0, 1):
        rows = sorted(row for number, chosen, _ in keys if number == part for row in chosen)
        assert rows == list(range(len(_clusters(partners=1))))
    assert [number for number, _, _ in keys] != sorted(number for number, _, _ in keys)
    dataset = JointDataset((_clusters(partners=1), _clusters(partners=1)))
    assert dataset[keys[0]].amplitude.shape[1] == 2


def test_an_epoch_is_a_function_of_its_number() -> None:
    """The same again, another one next time; in order where nothing is shuffled."""
    assert _keys(3) == _keys(3)
    assert _keys(3) != _keys(4)
    assert _keys(3) != _keys(3, seed=5)
    assert [number for number, _, _ in _keys(0, shuffle=False)] == sorted(n for n, _, _ in _keys(0, shuffle=False))
