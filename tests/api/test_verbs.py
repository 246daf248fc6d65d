"""The verbs of `ptycho_torch`: examples that run, values that print shortly, arrays in the place of files."""

import doctest
import inspect as introspection
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ptycho_torch
from ptycho_torch import inspect, read_scan, reconstruct, report, simulate
from ptycho_torch.api import load
from ptycho_torch.errors import DataError
from ptycho_torch.simulation import Simulated

VERBS = ("simulate", "read_scan", "inspect", "train", "load", "reconstruct", "refine", "evaluate", "compare", "report")
SCAN = {"N": 32, "side_px": 76, "step_px": 8, "seed": 3}
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.fixture(scope="module")
def scan() -> Simulated:
    """25 patterns of 32 x 32."""
    return simulate(**SCAN)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `scan.npz`."""
    made = tmp_path_factory.mktemp("verbs")
    simulate(made / "scan.npz", **SCAN)
    return made


def test_every_verb_is_offered_and_its_example_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which one uses them."""
    assert set(ptycho_torch.__all__) == set(VERBS)
    monkeypatch.chdir(folder)
    runner = doctest.DocTestRunner(optionflags=_FLAGS)
    names = {name: getattr(ptycho_torch, name) for name in VERBS}
    for name in VERBS:
        (example,) = doctest.DocTestFinder(recurse=False).find(names[name], name, globs=dict(names))
        assert example.examples, name
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", VERBS)
def test_the_signature_of_a_verb_fits_on_a_screen(name: str) -> None:
    """Which is what `help` prints first."""
    signature = str(introspection.signature(getattr(ptycho_torch, name)))
    assert len(signature) < 900
    assert "{" not in signature


def test_the_verbs_cost_nothing_before_they_are_used() -> None:
    """Neither torch nor numpy is imported with the package, and with a reconstruction nothing that it does not need; a
    module of the name of a verb does not hide it."""
    code = "import sys, ptycho_torch as p; assert not {'torch', 'numpy'} & set(sys.modules); p.__version__\n"
    code += (
        "p.reconstruct; late = {'lightning', 'matplotlib', 'scipy.io', 'scipy.optimize', 'scipy.signal', 'tifffile'}\n"
    )
    code += "assert not late & set(sys.modules), late & set(sys.modules)\n"
    code += "import ptycho_torch.train; assert callable(p.train)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_give_what_their_file_gives(scan: Simulated, folder: Path, tmp_path: Path) -> None:
    """To the last bit; they are kept beside the results, so that the run can be repeated."""
    of_file = reconstruct(folder / "scan.npz", tmp_path / "file", subsample_seed=1, legacy={})
    of_arrays = reconstruct(scan, tmp_path / "arrays", subsample_seed=1, legacy={})
    np.testing.assert_array_equal(of_file.canvas.object, of_arrays.canvas.object)
    (kept,) = (tmp_path / "arrays").glob("scan-*.npz")
    again = reconstruct(read_scan(kept), tmp_path / "dataset", subsample_seed=1, legacy={})
    np.testing.assert_array_equal(again.canvas.object, of_file.canvas.object)


def test_arrays_of_a_run_that_fails_are_not_kept(scan: Simulated, tmp_path: Path) -> None:
    """Nor is the folder that was made for them."""
    with pytest.raises(DataError, match="has no xcoords, ycoords"):
        reconstruct({"diff3d": scan.counts, "probeGuess": scan.probe}, tmp_path / "new", legacy={})
    assert not (tmp_path / "new").exists()


def test_a_result_shows_its_own_picture_after_another_run_into_its_folder(scan: Simulated, tmp_path: Path) -> None:
    """Pictures and report are of the result, not of the files."""
    first = reconstruct(scan, tmp_path, subsample_seed=1, legacy={})
    shown = first._repr_html_()
    reconstruct(simulate(**{**SCAN, "seed": 4}), tmp_path, subsample_seed=1, legacy={})
    assert first._repr_html_() == shown
    assert report(first, tmp_path / "first.html").read_text() != (tmp_path / "report.html").read_text()


def test_values_print_shortly(scan: Simulated, folder: Path, tmp_path: Path) -> None:
    """No array and no weight is printed."""
    made = reconstruct(scan, tmp_path, subsample_seed=1, legacy={})
    model = load(ptycho_torch.api.inference.PRETRAINED)
    found = inspect(folder / "scan.npz")
    for value in (scan, made, made.canvas, made.configs, made.report, model, model.bundle, found.dataset):
        assert len(repr(value)) < 300, type(value)
    assert "patterns" in repr(found)
