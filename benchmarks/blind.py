"""Scans of which something is not known: `ptycho infer` as it comes, and LSQML of pty-chi told what is wrong.

    python benchmarks/blind.py [--cases disk flux ...] [--seed 0] [--object images dead_leaves] \
        [--peer peers/bin/python] [--ptyrad rad/bin/python] \
        [--real tests/data/siemens_star_64.npz] [--pictures FOLDER]

Simulates each scan (64 px, steps of 6 px), then runs all as commands on one thread, and prints a row for each:
processor seconds of the whole command, contrast and detail against the truth, R where it has one. LSQML has batches of
64 and its own defaults, is told what is not known, and has as many epochs as it gains from; PtyRAD has as many. Without
`--peer`, the Python of an environment with pty-chi (see `peers.py`), and `--ptyrad` (see `ptyrad_run.py`), they are
left out. Ours decides by itself; `--refine-passes 8` is all that it is told. Experimental scans (`--real`, NPZ) get a
disk in the place of their probe; they have no truth, so R is what is compared, and the pictures are to be looked at.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.compare import compare
from ptycho_torch.evaluation.read import read_object

HERE = Path(__file__).parent
PASSES = 8
DEFOCUS_RAD = 17.0
LENS = ("probe.pupil=0.44", f"probe.defocus_rad={DEFOCUS_RAD}", "probe.stop=0.2", "side_px=256")
PROBE, POSITIONS = ("--epochs", "150", "--probe"), ("--epochs", "60", "--probe", "--positions", "3")


def defocused(factor: float) -> tuple[str, str]:
    """The file has the true probe with its defocus times a factor."""
    return "guess=defocused", f"guess.defocus_rad={(factor - 1) * DEFOCUS_RAD}"


# Options of `ptycho simulate`, and of LSQML with its epochs.
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "known": ((), ("--epochs", "20")),
    "disk": (("guess=disk",), PROBE),
    "defocus x 0.6": (defocused(0.6), ("--epochs", "60", "--probe")),
    "defocus x 0.33": (defocused(0.33), PROBE),
    "defocus x -1": (defocused(-1), PROBE),
    "Gaussian": (("guess=disk",), ()),
    "mean pattern": (("guess=disk",), ()),
    "no probe": ((), ()),
    "weak phase, disk": (("guess=disk", "amplitude=[0.98,1]", "phase_rad=[0,0.3]"), PROBE),
    "3 modes, disk": (("guess=disk", "modes=3"), (*PROBE, "--modes", "3")),
    "positions 4 px": (("errors.rms_px=3",), POSITIONS),
    "positions affine": (("errors.scale=1.03", "errors.rotation_deg=1.5", "errors.drift_px=4"), POSITIONS),
    "3 modes": (("modes=3",), ("--epochs", "60", "--probe", "--modes", "3")),
    "background": (("detector.background=6",), ("--epochs", "30")),
    "flux": (("detector.flux=0.3",), ("--epochs", "30")),
    "all at once": (
        (
            *(*defocused(0.7), "errors.rms_px=0.7", "modes=2", "detector.background=2"),
            *("detector.flux=0.15", "detector.photons=1e5", "step_px=7"),
        ),
        ("--epochs", "150", "--probe", "--positions", "3", "--modes", "2"),
    ),
}


def timed(command: list[str]) -> float:
    """Run a command on one thread: its processor seconds, start-up included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(  # noqa: S603
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def quality(made: Path, scan: Path) -> dict[str, float]:
    """Contrast and detail against the truth in the file of the scan; nothing where it has none."""
    try:
        found = compare(read_object(made), read_object(scan))
    except DataError as error:
        return {"contrast": float("nan"), "detail": float("nan")} if "constant" not in str(error) else {}
    return {"contrast": round(found.contrast, 3), "detail": round(found.detail, 3)}


def ours(scan: Path, folder: Path) -> tuple[float, Path, dict[str, object]]:
    command = [sys.executable, "-m", "ptycho_torch.cli.main", "infer", str(scan), "--output_dir", str(folder)]
    seconds = timed([*command, "--refine-passes", str(PASSES), "--quiet"])
    record = json.loads((folder / "metrics.json").read_text())["inference"]
    chosen = record["unknown"]["chosen"] if record.get("unknown") else []
    found = {"R": record["R"], "verdict": record["verdict"]["level"], "estimated": chosen}
    return seconds, folder / "reconstruction.npz", found


def lsqml(peer: str, scan: Path, out: Path, options: tuple[str, ...]) -> float:
    return timed([peer, str(HERE / "lsqml.py"), str(scan), str(out), "--step", "0.9", "--joint", *options])


def ptyrad(peer: str, scan: Path, out: Path, options: tuple[str, ...]) -> float:
    return timed([peer, str(HERE / "ptyrad_run.py"), str(scan), str(out), *options])


def change_probe(scan: Path, case: str) -> None:
    """Leave the first mode of the probe in the file, with the power of all, or what the case has in its place."""
    with np.load(scan, allow_pickle=False) as stored:
        arrays = dict(stored)
    modes = arrays.pop("probeGuess")
    if case == "no probe":
        np.savez(scan, **arrays)
        return
    guess = modes[:1]
    if case == "Gaussian":
        guess = np.exp(
            -np.square(distance(modes.shape[-1])) / (2 * rms_radius(np.square(np.abs(modes)).sum(axis=0)) ** 2)
        )
    if case == "mean pattern":
        guess = np.abs(np.fft.fftshift(np.fft.fft2(arrays["diff3d"].mean(axis=0))))
    power = [np.square(np.abs(part)).sum() for part in (modes, guess)]
    np.savez(
        scan,
        **arrays,
        probeGuess=(guess * np.sqrt(power[0] / power[1])).astype(np.complex64).reshape(1, *modes.shape[1:]),
    )


def distance(side: int) -> NDArray[np.float64]:
    """From the centre, px."""
    y, x = np.indices((side, side)) - side / 2
    return np.asarray(np.hypot(y, x))


def rms_radius(intensity: NDArray[Any]) -> float:
    """Of an intensity around the centre, px."""
    return float(np.sqrt((intensity * distance(len(intensity)) ** 2).sum() / intensity.sum()))


def with_disk(real: Path, made: Path) -> None:
    """The experimental scan with a disk of 1.3 times the rms radius of its probe in the place of that."""
    with np.load(real, allow_pickle=False) as stored:
        arrays = dict(stored)
    probe = arrays["probeGuess"].reshape(-1, *arrays["probeGuess"].shape[-2:])
    intensity = np.square(np.abs(probe)).sum(axis=0)
    disk = gaussian_filter((distance(len(intensity)) < 1.3 * rms_radius(intensity)).astype(float), 1.0)
    arrays["probeGuess"] = (disk * np.sqrt(intensity.sum() / np.square(disk).sum())).astype(np.complex64)
    arrays.pop("objectGuess", None)
    np.savez(made, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--object", nargs="*", default=["images"], help="kinds of objects of `ptycho simulate`")
    parser.add_argument("--seed", type=int, nargs="*", default=[0])
    parser.add_argument("--peer", help="the Python of an environment with pty-chi")
    parser.add_argument("--ptyrad", help="the Python of an environment with PtyRAD, see ptyrad_run.py")
    parser.add_argument("--real", nargs="*", type=Path, default=[])
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jobs = [(case, kind, seed) for case in asked.cases for kind in asked.object for seed in asked.seed]
        for number, (case, kind, seed) in enumerate(jobs):
            scan = folder / f"{number}.npz"
            simulate = [sys.executable, "-m", "ptycho_torch.cli.main", "simulate", str(scan), f"object={kind}"]
            timed([*simulate, *LENS, f"seed={seed}", *CASES[case][0]])
            change_probe(scan, case)
            peers = asked.peer, asked.ptyrad
            rows += measure(f"{case}, {kind}, seed {seed}", scan, folder / str(number), peers, CASES[case][1])
            keep(asked.pictures, folder / str(number), f"{case} {kind} {seed}")
        for real in asked.real:
            scan = folder / real.name
            with_disk(real, scan)
            peers = asked.peer, asked.ptyrad
            rows += measure(f"{real.stem}, disk", scan, folder / real.stem, peers, ("--epochs", "200", "--probe"))
            keep(asked.pictures, folder / real.stem, f"{real.stem} disk")
    print(json.dumps({"blind": rows}))


def measure(
    label: str, scan: Path, folder: Path, peers: tuple[str | None, str | None], options: tuple[str, ...]
) -> list[dict[str, object]]:
    """Rows of all on one scan; LSQML and PtyRAD, of these Pythons, need some options, and a guess of the probe in the
    file."""
    seconds, made, record = ours(scan, folder)
    rows: list[dict[str, object]] = [
        {"case": label, "by": "ptycho infer", "cpu_s": round(seconds, 1), **quality(made, scan), **record}
    ]
    print(rows[-1], flush=True)
    runs = {"LSQML": (peers[0], lsqml), "PtyRAD": (peers[1], ptyrad)}
    for name, (peer, run) in runs.items():
        if peer and options:
            out = folder / f"{name.lower()}.npz"
            seconds = run(peer, scan, out, options)
            by = f"{name} {options[1]} epochs"
            rows.append({"case": label, "by": by, "cpu_s": round(seconds, 1), **quality(out, scan)})
            print(rows[-1], flush=True)
    return rows


def keep(pictures: Path | None, folder: Path, name: str) -> None:
    """Copy the picture of the phase, and the objects of both."""
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        for made in ("phase.png", "reconstruction.npz", "lsqml.npz", "ptyrad.npz"):
            if (folder / made).exists():
                shutil.copy(folder / made, pictures / f"{name} {made}")


if __name__ == "__main__":
    main()
