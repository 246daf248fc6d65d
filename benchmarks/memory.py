"""Peak memory of training and reconstructing a scan that stays on disk.

    python benchmarks/memory.py [PATTERNS] [FOLDER]

Writes a scan of 64x64 uint16 patterns (default 200,000: 1.6 GB), trains one epoch of 64 groups,
reconstructs 64 patterns, and prints one JSON line with the peak resident size of the process.
"""

import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from ptycho_config import Sources
from ptycho_torch.api import reconstruct, train
from ptycho_torch.api.boundary import peak_memory_mib

SIDE, CHUNK = 64, 2000
OPTIONS = {"n_groups": 64, "nepochs": 1, "torch.net.width": 8, "torch.net.stages": 1}


def write_scan(path: Path, count: int) -> None:
    """A scan file of random counts, written in parts."""
    rng = np.random.default_rng(0)
    tile = rng.poisson(5.0, (CHUNK, SIDE, SIDE)).astype("<u2")
    side = int(np.ceil(count**0.5))
    y, x = (axis.ravel()[:count] * 4.0 for axis in np.mgrid[:side, :side])
    small = {"xcoords": x, "ycoords": y, "probeGuess": np.ones((SIDE, SIDE), "c8")}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("diff3d.npy", "w", force_zip64=True) as stream:
            header = {"descr": "<u2", "fortran_order": False, "shape": (count, SIDE, SIDE)}
            npy_format.write_array_header_1_0(stream, header)
            for _ in range(count // CHUNK):
                stream.write(tile.tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as stream:
                npy_format.write_array(stream, array)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as name:
        folder = Path(name)
        write_scan(folder / "scan.npz", count)
        size = (folder / "scan.npz").stat().st_size / 2**20
        start = time.perf_counter()
        run = train(folder / "scan.npz", folder / "out", sources=Sources(overrides=OPTIONS), legacy={})
        trained = time.perf_counter()
        overrides = {"n_groups": 64, "execution.inference_batch_size": 16}
        reconstruct(
            run.bundle, folder / "scan.npz", folder / "out", sources=Sources(overrides=overrides), legacy={}
        )
        figures = {
            "patterns": count,
            "file_mib": round(size),
            "train_s": round(trained - start, 1),
            "reconstruct_s": round(time.perf_counter() - trained, 1),
            "peak_mib": round(peak_memory_mib()),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
