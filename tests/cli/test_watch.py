"""The page that shows a training while it runs."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ptycho_torch.cli.main import main
from ptycho_torch.watch import serve
from tests.runs import SMALL


def _get(address: str, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes]:
    place = urlsplit(address)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)
    connection.request(method, path, headers={"Host": host or place.netloc})
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture(scope="module")
def run(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of `ptycho train --watch`, with a browser that does nothing."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    options = [f"--set={name}={value}" for name, value in SMALL.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", "true")
        assert main(["train", str(scan_file), "--output-dir", str(folder), "--watch", "--quiet", *options]) == 0
    return folder


@pytest.fixture
def address(run: Path) -> Iterator[str]:
    """Of the page of this run."""
    with serve(run) as found:
        yield found


def test_the_page_shows_losses_log_and_pictures(address: str) -> None:
    """Those of the last epoch."""
    assert urlsplit(address).hostname == "127.0.0.1"
    assert b"<html" in _get(address, "/")[1]
    state = json.loads(_get(address, "/state")[1])
    assert state["status"] == "not running, 2 epochs done"
    assert state["chart"].count("<polyline") == 2
    assert len(state["log"]) == 2
    assert all(len(word) <= 10 for line in state["log"] for word in line.split())
    assert state["pictures"] == [
        "object_epoch=002/amplitude.png",
        "object_epoch=002/phase.png",
        "patches_epoch=002.png",
    ]
    for name in state["pictures"]:
        assert _get(address, f"/picture/{name}")[1].startswith(b"\x89PNG")
    assert b"Verdict" in _get(address, "/report")[1]


@pytest.mark.slow
def test_tensorboard_has_the_pictures_of_every_epoch(scan_file: Path, tmp_path: Path) -> None:
    """One series for each picture, without a further option."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = [f"--set={name}={value}" for name, value in SMALL.items()]
    command = ["train", str(scan_file), "--output-dir", str(tmp_path), "--logger", "tensorboard", "--quiet", *options]
    assert main(command) == 0
    (events,) = tmp_path.rglob("events.out.tfevents.*")
    found = accumulator.EventAccumulator(str(events)).Reload()
    assert set(found.Tags()["images"]) == {"amplitude", "patches", "phase"}
    for name in found.Tags()["images"]:
        assert [image.step for image in found.Images(name)] == [1, 2]
        assert found.Images(name)[0].encoded_image_string.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "path", ["/config.json", "/picture/../config.json", "/picture/%2e%2e/config.json", "/picture//etc/passwd", "/x"]
)
def test_no_other_file_is_given(address: str, path: str) -> None:
    """Whatever the path."""
    assert _get(address, path)[0] == 404


def test_nobody_else_reads_and_nobody_writes(address: str) -> None:
    """Not a page of another site, under a name that leads here; no method but GET."""
    assert _get(address, "/state", host="elsewhere.example")[0] == 403
    assert _get(address, "/state", method="POST")[0] == 501


def test_a_run_that_has_not_begun_can_be_watched(tmp_path: Path) -> None:
    """Its folder need not be there."""
    with serve(tmp_path / "later") as address:
        assert json.loads(_get(address, "/state")[1])["status"] == "not started"
