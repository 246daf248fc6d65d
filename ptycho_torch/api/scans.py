"""`read_scan`, `inspect` and `simulate`: scans before their reconstruction."""

# `help` shows `ScanLike` rather than all that it is.
from __future__ import annotations

import base64
import io
import warnings
from html import escape
from pathlib import Path
from typing import Any

import attrs

from ptycho_config import parse, resolve
from ptycho_config.layers import OVERRIDES
from ptycho_torch.api.scan_arguments import ScanLike, scan_file
from ptycho_torch.data.dataset import Domain, Masking, Origin, read_dataset
from ptycho_torch.data.patterns import IN_MEMORY_BYTES
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.judgement.scan import judge_scan
from ptycho_torch.records import Dataset
from ptycho_torch.simulation.options import Simulation
from ptycho_torch.simulation.scan import Simulated
from ptycho_torch.simulation.scan import simulate as run_simulation
from ptycho_torch.simulation.write import write_simulation
from ptycho_torch.verdict import Verdict, judge

_ALL = 2**63


@attrs.frozen(eq=False, repr=False)
class Inspection:
    """A description of a scan: its facts as text, the verdict, and the dataset that was read."""

    text: str
    verdict: Verdict
    dataset: Dataset

    def __repr__(self) -> str:
        return f"{self.text}\n{self.verdict}"

    def _repr_html_(self) -> str:
        from ptycho_torch.output.scan_figure import scan_figure  # noqa: PLC0415 - matplotlib is for pictures alone

        stream = io.BytesIO()
        scan_figure(self.dataset, self.dataset.name).savefig(stream, dpi=80, format="png")
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        return f'<pre>{escape(repr(self))}</pre><img style="width:100%" src="data:image/png;base64,{data}">'


def _in_memory(scan: ScanLike) -> int:
    # Arrays are in memory already, and their file is gone when they are used.
    return IN_MEMORY_BYTES if isinstance(scan, Path | str) else _ALL


def read_scan(
    scan: ScanLike,
    *,
    measurement_domain: Domain = "count_intensity",
    position_origin: Origin = "corner",
    mask: Masking = "file",
) -> Dataset:
    """Read a scan, and check all of its values.

    scan: a file, arrays by their names in NPZ, or a simulated scan; measurement_domain: whether its patterns are
    counts or amplitudes; position_origin: where in the first pixel position 0 lies, for files that do not say it;
    mask: `auto` also leaves out pixels that are found not to measure. A scan without a probe is given that of its mean
    pattern in focus. Raises DataError with the file, the array and the reason.

    >>> read_scan("scan.npz")
    <Dataset scan.npz: 25 patterns of 32 x 32 px, probe of 1 mode>
    """
    with scan_file(scan) as path, open_scan(path) as opened:
        return read_dataset(
            opened, measurement_domain, position_origin, _in_memory(scan), mask=mask, probe_needed=False
        )


def inspect(scan: ScanLike, *, measurement_domain: Domain = "count_intensity", mask: Masking = "file") -> Inspection:
    """Describe a scan, and judge whether it can be reconstructed; a notebook shows its picture too.

    scan, measurement_domain, mask: as for `read_scan`. Raises DataError where it cannot be read.

    >>> found = inspect("scan.npz")
    >>> found.verdict.level
    'sound'
    >>> print(found.text.splitlines()[2])
      patterns   25 of 32 x 32, float32, diff3d
    """
    with scan_file(scan) as path, open_scan(path) as opened, warnings.catch_warnings():
        # The text names what is not used of the file.
        warnings.simplefilter("ignore", RuntimeWarning)
        dataset = read_dataset(opened, measurement_domain, "corner", _in_memory(scan), mask=mask, probe_needed=False)
        return Inspection(describe(opened), judge(judge_scan(dataset).evidence), dataset)


def simulate(path: Path | str | None = None, **options: Any) -> Simulated:
    """Simulate a scan with known truth; the same options give the same scan.

    path: a new file for it, `.npz`, `.cxi` or `.h5`; options: of the simulation by name, `object="polyhedra"` or
    `**{"detector.photons": 1e4}`; `ptycho simulate --explain` lists them. The scan can be given to every other verb.
    Raises ConfigError for an option that there is not, and DataError.

    >>> simulate(N=32, side_px=64, step_px=8, seed=1)
    <Simulated scan: 16 patterns of 32 x 32 px, object of 64 x 64 px>
    """
    made = run_simulation(resolve(Simulation(), parse(Simulation, options, OVERRIDES)).config)
    if path is not None:
        write_simulation(Path(path), made)
    return made
