"""Wrong pictures without a word: `ptycho infer` as it comes, on scans with one fault each and on good ones.

    python benchmarks/verdicts.py [--cases jump "scale 1.2" ...] [--seed 0 1] [--good] [--faults]

Simulates each scan (64 px, steps of 6 px) with its own seed, changes it, reconstructs it and compares the object with
the truth. A picture is wrong below a contrast of 0.8 or a detail of 0.5. Of a scan with a fault, a wrong picture must
come with a verdict that is not `sound`, or not at all; a right one may have a word, as its scan is faulty. A good scan
must have none where its picture is right. Prints a row a scan, and last the tally as JSON.
"""

import argparse
import json
import tempfile
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, zoom

from ptycho_config import parse, resolve
from ptycho_torch.api.inference import reconstruct
from ptycho_torch.errors import DataError, DivergedError
from ptycho_torch.evaluation.compare import compare
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.simulation.options import Simulation
from ptycho_torch.simulation.scan import simulate
from ptycho_torch.simulation.write import simulation_arrays

CONTRAST, DETAIL = 0.8, 0.5
Arrays = dict[str, Any]
Change = Callable[[Arrays, np.random.Generator], object]
WEAK = "amplitude=[0.98,1] phase_rad=[0,0.15]"

# Good scans: options of `ptycho simulate`.
GOOD = {
    "as it comes": "",
    "lines": "object=lines",
    "grid": "object=grid_lines detector.photons=3e5",
    "grains": "object=noise object.form=grains",
    "power law": "object=noise",
    "crystals": "object=polyhedra phase_rad=[0,2.5]",
    "weak crystals": "object=polyhedra one_material=true amplitude=[0.98,1] phase_rad=[0,0.15]",
    "much vacuum": "object=polyhedra object.crystals=3 object.size_px=15",
    "wedge": "object=polyhedra object.crystals=1 object.size_px=150 phase_rad=[0,15]",
    "opaque": "object=noise object.form=grains amplitude=[0,1] phase_rad=[0,0.1]",
    "phase of 20 rad": "object=noise object.exponent=2 phase_rad=[0,20]",
    "Gaussian beam": "probe=gaussian probe.rms_px=6 probe.curvature_rad=3",
    "central stop": "probe.stop=0.3 probe.defocus_rad=8",
    "astigmatism": "probe.zernike_rad=[0.8,0.4,0.3]",
    "focus": "probe.defocus_rad=0 step_px=2 side_px=110",
    "three modes": "modes=3",
    "1,000 photons": "detector.photons=1000",
    "300 photons": "detector.photons=300",
    "1e9 photons": "detector.photons=1e9",
    "flux": "detector.flux=0.2",
    "background": "detector.background=2",
    "spiral": "positions=spiral",
    "Fermat": "positions=fermat step_px=7",
    "random places": "positions=random",
    "beam stop": "detector.beam_stop_px=2 probe.defocus_rad=10",
    "dead pixels": "detector.bad_pixels=60",
    "weak, 1e5 photons": f"{WEAK} detector.photons=1e5",
    "weak, 1e4 photons": f"{WEAK} detector.photons=1e4",
    "128 px": "N=128 side_px=240 step_px=10 probe.defocus_rad=14",
    "positions 1 px": "errors.rms_px=1",
    "drift": "errors.drift_px=4",
    "disk": "guess=disk",
    "other focus": "guess=defocused",
}


def _frames(change: Callable[[np.ndarray[Any, Any], np.random.Generator], Any]) -> Change:
    """A change of the patterns: in place, or a new array."""

    def make(scan: Arrays, rng: np.random.Generator) -> None:
        changed = change(scan["diff3d"], rng)
        scan["diff3d"] = scan["diff3d"] if changed is None else np.asarray(changed, np.float32)

    return make


def _place(change: Callable[[Any, Any, np.random.Generator], tuple[Any, Any]]) -> Change:
    """A change of the recorded (y, x)."""

    def make(scan: Arrays, rng: np.random.Generator) -> None:
        scan["ycoords"], scan["xcoords"] = change(scan["ycoords"], scan["xcoords"], rng)

    return make


def _probe(change: Callable[[Any], Any]) -> Change:
    return lambda scan, _: scan.__setitem__("probeGuess", np.asarray(change(scan["probeGuess"]), np.complex64))


def _order(rows: Callable[[int, np.random.Generator], Any]) -> Change:
    """Patterns in another order than their positions."""
    return _frames(lambda counts, rng: counts[rows(len(counts), rng)])


def _every_second_line(count: int, _: np.random.Generator) -> Any:
    side = round(count**0.5)
    rows = np.arange(side**2).reshape(side, side)
    rows[1::2] = rows[1::2, ::-1].copy()
    return rows.ravel()


def _lose(scan: Arrays, rng: np.random.Generator) -> None:
    """One pattern is missing, and so is the last position."""
    lost = rng.integers(20, len(scan["diff3d"]) - 20)
    scan["diff3d"] = np.delete(scan["diff3d"], lost, 0)
    scan["xcoords"], scan["ycoords"] = scan["xcoords"][:-1], scan["ycoords"][:-1]


def _jump(px: float) -> Change:
    def move(y: Any, x: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        return y, x + px * (np.arange(len(x)) > rng.uniform(0.2, 0.8) * len(x))

    return _place(move)


def _backlash(y: Any, x: Any, _: np.random.Generator) -> tuple[Any, Any]:
    side = round(len(x) ** 0.5)
    return y, x + 4 * (np.arange(len(x)) // side % 2)


def _drift(counts: Any, _: np.random.Generator) -> Any:
    return np.stack([np.roll(one, 6 * row // len(counts), 0) for row, one in enumerate(counts)])


def _finer(counts: Any, _: np.random.Generator) -> Any:
    return np.stack([zoom(one, 1.25, order=1)[8:72, 8:72] for one in counts])


def _drop_line(counts: Any, _: np.random.Generator) -> None:
    counts[::7, 30] = 0


def _one_gain(counts: Any, _: np.random.Generator) -> None:
    counts[:, :32, :32] *= 2


# Faults: options of `ptycho simulate`, and what is changed afterwards.
FAULTS: dict[str, tuple[str, Change | None]] = {
    "positions 4 px": ("errors.rms_px=4", None),
    "positions 6 px": ("errors.rms_px=6 object=lines", None),
    "positions 4 px, 1e4 photons": ("errors.rms_px=4 detector.photons=1e4", None),
    "positions 4 px, 1e3 photons": ("errors.rms_px=4 detector.photons=1e3", None),
    "positions 4 px, weak": (f"errors.rms_px=4 {WEAK}", None),
    "scale 1.1": ("errors.scale=1.1", None),
    "scale 1.2": ("errors.scale=1.2", None),
    "scale 0.8": ("errors.scale=0.8 object=lines", None),
    "scale 1.5": ("errors.scale=1.5", None),
    "scale 3": ("errors.scale=3", None),
    "rotation 10": ("errors.rotation_deg=10", None),
    "micrometres": ("", _place(lambda y, x, _: (y / 20, x / 20))),
    "rotation 45": ("errors.rotation_deg=45", None),
    "x times 1.4": ("", _place(lambda y, x, _: (y, 1.4 * x))),
    "shear": ("", _place(lambda y, x, _: (y, x + 0.4 * (y - 75)))),
    "backlash": ("jitter_px=0.5", _place(_backlash)),
    "jump of 12 px": ("", _jump(12)),
    "jump of 6 px": ("object=noise", _jump(6)),
    "lost frame": ("", _lose),
    "lag": ("", _order(lambda count, _: np.roll(np.arange(count), 1))),
    "every second line": ("", _order(_every_second_line)),
    "shuffled": ("", _order(lambda count, rng: rng.permutation(count))),
    "exchanged": ("positions=random", _place(lambda y, x, _: (x, y))),
    "exchanged, weak": (f"{WEAK} detector.photons=1e5", _place(lambda y, x, _: (x, y))),
    "x negated": ("object=noise object.form=blobs", _place(lambda y, x, _: (y, -x))),
    "y constant": ("", _place(lambda y, x, _: (0 * y + 75, x))),
    "rounded to 12 px": ("", _place(lambda y, x, _: (12 * np.round(y / 12), 12 * np.round(x / 12)))),
    "beam drifts": ("", _frames(_drift)),
    "off-centre": ("", _frames(lambda counts, _: np.roll(counts, (3, -2), (1, 2)))),
    "corner": ("", _frames(lambda counts, _: np.fft.ifftshift(counts, axes=(1, 2)))),
    "patterns transposed": ("probe.zernike_rad=[0.8,0.4,0.3]", _frames(lambda counts, _: counts.swapaxes(1, 2))),
    "patterns mirrored": (
        "probe.zernike_rad=[0.5,0.8,-0.3]",
        _frames(lambda counts, _: np.roll(counts[..., ::-1], 1, axis=2)),
    ),
    "other distance": ("", _frames(_finer)),
    "amplitudes": ("", _frames(lambda counts, _: np.sqrt(counts))),
    "logarithms": ("", _frames(lambda counts, _: np.log1p(counts))),
    "squares": ("", _frames(lambda counts, _: np.square(counts))),
    "clipped": ("", _frames(lambda counts, _: np.minimum(counts, 0.1 * counts.max()))),
    "12 bits": ("", _frames(lambda counts, _: np.mod(counts, 4096))),
    "blurred": ("", _frames(lambda counts, _: gaussian_filter(counts, (0, 1.2, 1.2)))),
    "threshold": ("", _frames(lambda counts, _: np.where(counts < 20, 0, counts))),
    "background 200": ("", _frames(lambda counts, _: counts + 200)),
    "gain of a quarter": ("", _frames(_one_gain)),
    "gains 30 %": ("", _frames(lambda counts, rng: np.round(counts * np.exp(rng.normal(0, 0.3, counts[0].shape))))),
    "dropped line": ("", _frames(_drop_line)),
    "overlaid": ("", _frames(lambda counts, _: 0.5 * (counts + np.roll(counts, 1, 0)))),
    "probe power 100": ("", _probe(lambda probe: 10 * probe)),
    "probe conjugated": ("", _probe(np.conj)),
    "probe displaced": ("", _probe(lambda probe: np.roll(probe, 10, -1))),
    "probe without phase": ("", _probe(np.abs)),
    "no probe but ones": ("", _probe(lambda probe: 0 * probe + 1)),
}


def make(options: str, change: Change | None, seed: int, path: Path) -> None:
    """Write a scan with its truth; nothing in it says how long a pixel is, so that a wrong scale is not corrected."""
    given = dict(one.split("=", 1) for one in f"side_px=150 seed={seed} {options}".split())
    config = resolve(Simulation(), parse(Simulation, [f"{name}={value}" for name, value in given.items()])).config
    scan: Arrays = {name: np.array(value) for name, value in simulation_arrays(simulate(config)).items()}
    for name in [name for name in scan if name.endswith(("_m", "_eV"))]:
        del scan[name]
    if change is not None:
        change(scan, np.random.default_rng(seed))
    np.savez(path, **scan)


def measure(path: Path, out: Path) -> dict[str, Any]:
    """The verdict on one scan and its picture, and how the picture compares with the truth."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = reconstruct(path, out, enable_progress_bar=False)
    except (DataError, DivergedError) as error:
        return {"verdict": "refused", "says": [str(error)[:90]]}
    verdict = made.metrics.verdict
    row = {"verdict": verdict.level, "R": made.metrics.R, "says": [one[:90] for one in verdict.sentences]}
    try:
        found = compare(read_object(out / "reconstruction.npz"), read_object(path))
    except DataError:
        return {**row, "contrast": 0.0, "detail": 0.0}
    return {**row, "contrast": round(found.contrast, 3), "detail": round(found.detail, 3)}


def outcome(row: dict[str, Any]) -> str:
    """Whether the picture is right, and whether a word came with it."""
    if row["verdict"] == "refused":
        return "refused"
    right = row["contrast"] >= CONTRAST and row["detail"] >= DETAIL
    return f"{'right' if right else 'wrong'}, {'without a word' if row['verdict'] == 'sound' else 'with a word'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=[*GOOD, *FAULTS])
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--good", action="store_true", help="good scans only")
    parser.add_argument("--faults", action="store_true", help="scans with a fault only")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    good = {} if asked.faults else {name: (options, None) for name, options in GOOD.items()}
    jobs = {**good, **({} if asked.good else FAULTS)}
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as temporary:
        for name, (options, change) in jobs.items():
            for seed in asked.seed if not asked.cases or name in asked.cases else []:
                path = Path(temporary, "scan.npz")
                # Every case has scans of its own.
                make(options, change, 100 * (zlib.crc32(name.encode()) % 10**4) + seed, path)
                row = measure(path, Path(temporary, f"{name}-{seed}"))
                kind = f"{'good' if name in good else 'fault'}: {outcome(row)}"
                tally[kind] += 1
                print(json.dumps({"case": name, "seed": seed, "outcome": kind, **row}), flush=True)
    print(json.dumps(dict(tally)))


if __name__ == "__main__":
    main()
