"""Simulated scans as NPZ files that `data.formats.npz` reads."""

from pathlib import Path

import numpy as np

from ptycho_torch.files import atomic_write
from ptycho_torch.physics.simulate import SimulatedScan


def write_scan(path: Path, scan: SimulatedScan) -> None:
    """Write a scan to path as NPZ: `diff3d` in counts, `xcoords` and `ycoords` in px, `probeGuess`, and the
    truth as `objectGuess`."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez(
            stream,
            diff3d=scan.counts,
            xcoords=scan.position_yx[:, 1],
            ycoords=scan.position_yx[:, 0],
            probeGuess=scan.probe[0] if len(scan.probe) == 1 else scan.probe,
            objectGuess=scan.truth,
        )
