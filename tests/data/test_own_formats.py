"""File formats of other packages, found through their entry points."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ptycho_config import ConfigError
from ptycho_torch.data.readers import inspect_dataset, open_scan, read_scan

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The reader that the documentation shows, as an installed package `rawscan`."""
    section = DOCS.read_text(encoding="utf-8").partition("## A format of your own")[2]
    module, declared = (re.search(rf"```{language}\n(.*?)```", section, re.DOTALL) for language in ("python", "toml"))
    assert module is not None
    assert declared is not None
    site = tmp_path / "site"
    (site / "rawscan-1.0.dist-info").mkdir(parents=True)
    (site / "rawscan.py").write_text(module[1])
    (site / "rawscan-1.0.dist-info" / "METADATA").write_text("Name: rawscan\nVersion: 1.0\n")
    (point,) = re.findall(r'^(\w+) = "([\w.:]+)"', declared[1], re.MULTILINE)
    lines = ["[ptycho.readers]", " = ".join(point), ""]
    (site / "rawscan-1.0.dist-info" / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(site))
    assert [found.name for found in entry_points(group="ptycho.readers")] == [point[0]]
    yield site
    sys.modules.pop("rawscan", None)


def _write(folder: Path, layouts: Any) -> Path:
    """A header line, then positions, probe and patterns as raw values."""
    scan = layouts.scan
    path = folder / "scan.raw"
    with path.open("wb") as file:
        file.write(b"RAWSCAN 36 64".ljust(64))
        for array, kind in ((scan.position_yx, "<f8"), (scan.probe, "<c8"), (scan.counts, "<f4")):
            file.write(np.ascontiguousarray(array, kind).tobytes())
    return path


def test_a_format_of_another_package_is_read(installed: Path, layouts: Any) -> None:
    """The example of the documentation, patterns left in the file or read."""
    path = _write(installed, layouts)
    assert open_scan(path).dialect == "raw values"
    assert inspect_dataset(path).n_patterns == 36
    for in_memory in (0, 2**30):
        read = read_scan(path, "count_intensity", in_memory=in_memory)
        np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts)
        np.testing.assert_array_equal(read.position_yx, layouts.scan.position_yx)
        np.testing.assert_array_equal(read.probe[0], layouts.scan.probe.reshape(64, 64))


def test_the_reader_of_another_package_is_asked_before_those_that_are_built_in(
    installed: Path, layouts: Any, tmp_path: Path
) -> None:
    """It may read HDF5 that a built-in layout would recognise too; what it does not know is left to them."""
    (installed / "rawscan.py").write_text(
        "def recognise(file):\n    return file.hdf5 is not None and 'probe_position_x_px' in file.hdf5\n\n\n"
        "def read(file):\n    raise LookupError(file.path.name)\n"
    )
    with pytest.raises(LookupError, match=r"training\.h5"):
        open_scan(layouts.write(tmp_path / "training.h5", layouts.training_data()))
    assert open_scan(layouts.write(tmp_path / "scan.cxi", layouts.cxi())).dialect == "CXI"


def test_a_reader_that_cannot_be_imported_is_named(installed: Path, scan_file: Path) -> None:
    """Rather than passed over, so that its files are not taken for another format."""
    (installed / "rawscan.py").write_text("import a_package_that_is_not_there\n")
    with pytest.raises(ConfigError, match=r"the reader 'rawscan:\w+' cannot be imported"):
        open_scan(scan_file)
