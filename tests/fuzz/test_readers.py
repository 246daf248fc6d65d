"""A share of what `make fuzz` feeds to every reader."""

from pathlib import Path

import pytest

from ptycho_torch.data.readers import open_scan
from tests.fuzz.artefacts import READ_ARTEFACT, write_artefact
from tests.fuzz.files import COUNT, READERS, write
from tests.fuzz.run import feed

SHARE = 6


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_end_in_one_of_our_errors(reader: str, tmp_path: Path) -> None:
    """Whatever bytes, arrays, links or attributes were changed."""
    (tmp_path / "whole").mkdir()
    with open_scan(write(reader, tmp_path / "whole")) as scan:
        assert scan.count == COUNT
    assert _found(reader, tmp_path) == []


@pytest.mark.parametrize("reader", READ_ARTEFACT)
def test_damaged_results_and_configs_end_in_one_of_our_errors(reader: str, tmp_path: Path) -> None:
    """Bundles, checkpoints and configuration files."""
    (tmp_path / "whole").mkdir()
    READ_ARTEFACT[reader](write_artefact(reader, tmp_path / "whole"))
    assert _found(reader, tmp_path) == []


def _found(reader: str, tmp_path: Path) -> list[str]:
    found = []
    for seed in range(SHARE):
        folder = tmp_path / str(seed)
        folder.mkdir()
        found.append(feed(reader, seed, folder))
    return [one for one in found if one]


def test_what_is_no_error_of_ours_is_found(tmp_path: Path) -> None:
    """A reader that lets the errors of a library out."""

    def lets_out(_: Path) -> None:
        raise RuntimeError("bad heap")

    assert "RuntimeError: 'bad heap'" in feed("npz", 0, tmp_path, lets_out)
