"""Peak memory of training and reconstructing a scan that stays on disk.

    python benchmarks/memory.py [PATTERNS ...] [--scans 50] [--folder FOLDER]

For each number (200,000 if none is given: 1.6 GB) writes a scan of 64x64 uint16 patterns, or so many of them, and in a
process of its own trains one epoch of 64 groups of each, reconstructs 64 patterns of the first, takes R over all of it
and refines it by one pass. The last line is JSON: one record a number, with the peak resident size of its process
and the seconds of the processor.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from ptycho_config import Sources
from ptycho_config.schema import RefineOptions
from ptycho_torch.api import reconstruct, train
from ptycho_torch.api.refinement import refine_scan
from ptycho_torch.device import peak_memory_mib

SIDE, CHUNK = 64, 2000
OPTIONS = {"n_groups": 64, "nepochs": 1, "torch.net.width": 8, "torch.net.stages": 1}
# Random counts say nothing of an instrument.
RECONSTRUCTION = {
    "n_groups": 64,
    "execution.inference_batch_size": 16,
    "torch.refine.unknown": [],
    "torch.refine.passes": 0,
}


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
            for start in range(0, count, CHUNK):
                stream.write(tile[: count - start].tobytes())
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as stream:
                npy_format.write_array(stream, array)


# In one pass whatever the counts.
REFINEMENT = RefineOptions(likelihood="amplitude", passes=1, unknown=())


def measured(folder: Path) -> dict[str, float]:
    """Seconds of the processor and the peak of this process, training on the scans of a folder, reconstructing the
    first of them, and refining all of it from a flat object."""
    start = time.process_time()
    scans, out = folder / "scans", folder / "out"
    # Only the file is handed on: what was trained on is not held while reconstructing.
    bundle = train(scans, out, sources=Sources(overrides=OPTIONS), legacy={}).bundle
    trained, peak = time.process_time(), peak_memory_mib()
    scan = min(scans.iterdir())
    reconstruct(scan, out, model=bundle, sources=Sources(overrides=RECONSTRUCTION), legacy={})
    made, whole = time.process_time(), peak_memory_mib()
    refine_scan(scan, out / "refined", REFINEMENT, start="flat", seed=0)
    return {
        "train_s": round(trained - start, 1),
        "reconstruct_s": round(made - trained, 1),
        "refine_s": round(time.process_time() - made, 1),
        "peak_train_mib": round(peak),
        "peak_mib": round(whole),
        "peak_refined_mib": round(peak_memory_mib()),
    }


def in_own_process(count: int, scans: int, parent: Path | None) -> dict[str, float]:
    """The figures of so many scans of `count` patterns, which are written before and removed afterwards."""
    with tempfile.TemporaryDirectory(dir=parent) as name:
        paths = [Path(name) / "scans" / f"{number:04d}.npz" for number in range(scans)]
        paths[0].parent.mkdir()
        for path in paths:
            write_scan(path, count)
        done = subprocess.run(  # noqa: S603
            [sys.executable, __file__, "--measure", name], stdout=subprocess.PIPE, text=True, check=True
        )
        size = sum(path.stat().st_size for path in paths) / 2**20
    return {"scans": scans, "patterns": count, "files_mib": round(size), **json.loads(done.stdout.splitlines()[-1])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("patterns", type=int, nargs="*", default=[200_000])
    parser.add_argument("--scans", type=int, default=1, help="of so many patterns each")
    parser.add_argument("--folder", type=Path, help="where the scans are written; the temporary one")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure is not None:
        print(json.dumps(measured(options.measure)))
        return
    records = []
    for count in options.patterns:
        records.append(in_own_process(count, options.scans, options.folder))
        print(json.dumps(records[-1]), file=sys.stderr, flush=True)
    print(json.dumps(records))


if __name__ == "__main__":
    main()
