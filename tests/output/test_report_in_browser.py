"""The report in a real browser: nothing is loaded, nothing is cut off, nothing is left blank."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ptycho_torch import reconstruct, simulate

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: apt install chromium")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-pdf-header-footer")
# Says in the title what is wrong with the page: sideways scrolling, and pictures that could not be read.
PROBE = """<script>addEventListener("load", () => {
  const broken = [...document.images].filter((one) => !one.naturalWidth).length;
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  document.body.dataset.found = `broken ${broken} wide ${wide} images ${document.images.length}`;
  document.querySelector(".frame").click();
  document.body.dataset.zoomed = document.getElementById("zoom").open;
})</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a small reconstruction."""
    folder = tmp_path_factory.mktemp("report")
    made = reconstruct(simulate(N=32, side_px=76, step_px=8), folder / "run", legacy={})
    return made.folder / "report.html"


def _run(*arguments: str) -> str:
    assert BROWSER is not None
    done = subprocess.run([BROWSER, *FLAGS, *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_it_needs_no_other_file(report: Path) -> None:
    """No address outside the page, and less than 5 MB."""
    text = report.read_text()
    assert set(re.findall(r"https?://[\w./]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert len(text) < 5e6


@pytest.mark.parametrize("width", [pytest.param(1300, marks=pytest.mark.slow), 400])
def test_nothing_is_cut_off_and_pictures_are_enlarged(report: Path, tmp_path: Path, width: int) -> None:
    """At the width of a desk and of a telephone, which a frame has."""
    (tmp_path / "page.html").write_text(report.read_text().replace("</body>", f"{PROBE}</body>"))
    frame = f'<iframe src="page.html" width="{width}" height="900"></iframe><script>onload = () => '
    frame += "document.body.dataset.all = JSON.stringify(frames[0].document.body.dataset)</script>"
    (tmp_path / "frame.html").write_text(f"<body>{frame}</body>")
    page = _run("--allow-file-access-from-files", "--dump-dom", (tmp_path / "frame.html").as_uri())
    found = re.search(r"broken (\d+) wide (-?\d+) images (\d+)", page)
    assert found is not None
    assert found[1] == "0"
    assert int(found[2]) <= 0
    assert int(found[3]) >= 14
    assert "zoomed&quot;:&quot;true" in page


@pytest.mark.slow
def test_it_is_drawn_and_printed(report: Path, tmp_path: Path) -> None:
    """A screenshot has the colours of the verdict and of the maps; a print has pages."""
    picture, pdf = tmp_path / "shown.png", tmp_path / "printed.pdf"
    _run("--window-size=1300,2000", f"--screenshot={picture}", report.as_uri())
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    coloured = np.ptp(pixels, axis=2) > 40
    assert coloured.mean() > 0.05
    assert (pixels.min(axis=2) > 250).mean() < 0.8
    _run(f"--print-to-pdf={pdf}", report.as_uri())
    assert pdf.read_bytes().count(b"/Type /Page\n") >= 2
