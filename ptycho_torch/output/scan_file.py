"""Simulated scans as NPZ files that `data.formats.npz` reads."""

from pathlib import Path

from ptycho_torch.output.npz_file import write_arrays
from ptycho_torch.physics.simulate import SimulatedScan


def write_scan(path: Path, scan: SimulatedScan) -> None:
    """Write a scan to path as NPZ: `diff3d` in counts, `xcoords` and `ycoords` in px, `probeGuess`, and the
    truth as `objectGuess`."""
    arrays = {
        "diff3d": scan.counts,
        "xcoords": scan.position_yx[:, 1],
        "ycoords": scan.position_yx[:, 0],
        "probeGuess": scan.probe[0] if len(scan.probe) == 1 else scan.probe,
        "objectGuess": scan.truth,
    }
    write_arrays(path, arrays)
