"""Refinement beside LSQML of pty-chi: same scans, same known probe, same threads, one process.

    python benchmarks/peers.py [--seeds 0] [--threads 1] [--repeats 3] [--batch 64] [--step 1.8] [--joint] \
        [--epochs 1 3 5 8 10 12 15 20] [--after 1 3 5 8] [--passes 1 2 3 4 8] \
        [--star tests/data/siemens_star_64.npz] [--goal 0.985 0.975] [--commands]

Needs an environment of its own, because pty-chi needs a torchvision that fits its torch, and nothing
else here does:

    python3.11 -m venv peers
    peers/bin/pip install torch torchvision ptychi -e .

The scans are the unseen one of the simulated pair (1,764 patterns of 64x64, one a seed) and the
experimental Siemens star. Both start from the same flat object; a row "LSQML after 1 pass" starts
from what one pass of ours made of it. Seconds are of reconstruction alone, without import, reading
and making the task, and for "LSQML after 1 pass" without that pass; `cpu_s` are seconds of processor
time, which other work on the machine moves less. The two take turns and each row has the least of
`--repeats` runs. pty-chi makes its device the default of all of torch, which slows every call; that
is undone before ours runs.

`--commands` times commands instead, from their start to the file: `ptycho refine` with three passes,
and `lsqml.py` with the fewest of `--epochs` that reach `--goal` (contrast and detail) here.
Prints a row a measurement and one JSON line at the end.
"""

import argparse
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from lsqml import BATCH, STEP, object_of, task
from numpy.typing import NDArray
from pair import dataset_from_raw, pair, score
from refine import flat_start

from ptycho_config.schema import RefineOptions
from ptycho_torch.data.readers import read_scan
from ptycho_torch.data.scan import normalise
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Canvas, Dataset

HERE = Path(__file__).parent
Clock = tuple[float, float]
Measured = tuple[str, int, Clock, NDArray[np.complex64]]


@attrs.frozen(eq=False)
class Case:
    """A scan, its flat start, and the truth where it is known."""

    label: str
    dataset: Dataset
    start: Canvas
    seed: int
    simulated: SimulatedScan | None = None

    def quality(self, object_: NDArray[np.complex64]) -> dict[str, float]:
        """R, and contrast and detail where there is a truth."""
        canvas = attrs.evolve(self.start, object=object_)
        row = {"R": round(r_factor(normalise(self.dataset), canvas), 5)}
        if self.simulated is not None:
            contrast, detail = score(canvas, self.simulated)
            row |= {"contrast": round(contrast, 4), "detail": round(detail, 4)}
        return row


def case_of(dataset: Dataset, label: str, seed: int, simulated: SimulatedScan | None = None) -> Case:
    return Case(label, dataset, flat_start(normalise(dataset)), seed, simulated)


def spent(work: Callable[[], object]) -> Clock:
    """Seconds on the wall and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def ours(case: Case, passes: int) -> tuple[Clock, NDArray[np.complex64]]:
    """A whole refinement of so many passes."""
    torch.set_default_device(None)
    scan, start = normalise(case.dataset), case.start
    found = []

    def work() -> None:
        found.append(
            refine(
                scan,
                torch.from_numpy(start.object / np.float32(scan.object_scale)),
                start.origin_yx,
                RefineOptions(passes=passes),
                rng=np.random.default_rng(case.seed),
                device=torch.device("cpu"),
            )
        )

    clock = spent(work)
    return clock, (found[0].object * scan.object_scale).numpy()


def theirs(
    case: Case, label: str, start: NDArray[np.complex64], epochs: list[int], asked: argparse.Namespace
) -> Iterator[Measured]:
    """One run of LSQML, seen after the epochs asked for; looking does not count."""
    data = case.dataset
    made = task(
        np.asarray(data.intensity[:]),
        data.position_yx,
        data.probe,
        start,
        case.start.origin_yx,
        batch=asked.batch,
        step=asked.step,
        joint=asked.joint,
        seed=case.seed,
    )
    wall = processor = 0.0
    for epoch in range(1, max(epochs) + 1):
        more = spent(lambda: made.run(1))
        wall, processor = wall + more[0], processor + more[1]
        if epoch in epochs:
            yield label, epoch, (wall, processor), object_of(made)


def one_turn(case: Case, asked: argparse.Namespace) -> Iterator[Measured]:
    """Every measurement of a scan once, the two methods in turn."""
    for passes in asked.passes:
        yield "refine", passes, *ours(case, passes)
    yield from theirs(case, "LSQML", case.start.object, asked.epochs, asked)
    _, once = ours(case, 1)
    yield from theirs(case, "LSQML after 1 pass", once, asked.after, asked)


def rows_of(case: Case, asked: argparse.Namespace) -> list[dict[str, Any]]:
    best: dict[tuple[str, int], Clock] = {}
    last: dict[tuple[str, int], NDArray[np.complex64]] = {}
    for _ in range(asked.repeats):
        for label, count, clock, object_ in one_turn(case, asked):
            before = best.get((label, count), clock)
            best[label, count] = (min(before[0], clock[0]), min(before[1], clock[1]))
            last[label, count] = object_
    rows = []
    for (label, count), (wall, processor) in best.items():
        seconds = {"s": round(wall, 2), "cpu_s": round(processor, 2)}
        quality = case.quality(last[label, count])
        rows.append({"scan": case.label, "method": label, "passes": count, **seconds, **quality})
        show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


def epochs_to_goal(case: Case, asked: argparse.Namespace) -> int:
    """The fewest epochs after which LSQML has reached the goal, the most asked for if never."""
    for _, epoch, _, object_ in theirs(case, "LSQML", case.start.object, asked.epochs, asked):
        quality = case.quality(object_)
        if quality["contrast"] >= asked.goal[0] and quality["detail"] >= asked.goal[1]:
            return epoch
    return int(max(asked.epochs))


def command_row(case: Case, label: str, command: list[str], made: Path, repeats: int) -> dict[str, Any]:
    """The fastest of some runs of a command that writes `made`."""
    walls, processors = [], []
    for _ in range(repeats):
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
        walls.append(time.perf_counter() - begun)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    with np.load(made, allow_pickle=False) as arrays:
        y, x = arrays["origin_px"].tolist()
        start = attrs.evolve(case.start, origin_yx=(y, x))
        quality = attrs.evolve(case, start=start).quality(arrays["object"])
    seconds = {"command_s": round(min(walls), 1), "command_cpu_s": round(min(processors), 1)}
    row = {"scan": case.label, "command": label, **seconds, **quality}
    show(row)
    return row


def commands(case: Case, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Both commands on one file."""
    assert case.simulated is not None
    epochs = epochs_to_goal(case, asked)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(asked.threads)
    with tempfile.TemporaryDirectory() as name:
        scan, out, peer = Path(name) / "scan.npz", Path(name) / "refined", Path(name) / "lsqml.npz"
        write_scan(scan, case.simulated)
        mine = [sys.executable, "-m", "ptycho_torch.cli.main", "refine", str(scan), "--passes", "3"]
        mine += ["--output_dir", str(out), "--accelerator", "cpu", "--quiet"]
        other = [sys.executable, str(HERE / "lsqml.py"), str(scan), str(peer), "--epochs", str(epochs)]
        other += ["--batch", str(asked.batch), "--step", str(asked.step), *["--joint"] * asked.joint]
        return [
            command_row(case, "ptycho refine, 3 passes", mine, out / "reconstruction.npz", asked.repeats),
            command_row(case, f"LSQML, {epochs} epochs", other, peer, asked.repeats),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", nargs="+", type=int, default=[1, 3, 5, 8, 10, 12, 15, 20])
    parser.add_argument("--after", nargs="+", type=int, default=[1, 3, 5, 8])
    parser.add_argument("--passes", nargs="+", type=int, default=[1, 2, 3, 4, 8])
    parser.add_argument("--batch", type=int, default=BATCH, help="patterns of a batch of LSQML")
    parser.add_argument("--step", type=float, default=STEP, help="scaler of LSQML's step size")
    parser.add_argument("--joint", action="store_true", help="solve it together with the probe's")
    parser.add_argument("--star", type=Path, default=Path("tests/data/siemens_star_64.npz"))
    parser.add_argument("--goal", nargs=2, type=float, default=[0.985, 0.975])
    parser.add_argument("--commands", action="store_true")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    torch.set_num_threads(asked.threads)
    scans = [(seed, pair(seed)[1]) for seed in asked.seeds]
    cases = [case_of(dataset_from_raw(scan), f"simulated {seed}", seed, scan) for seed, scan in scans]
    if asked.commands:
        rows = [row for case in cases for row in commands(case, asked)]
    else:
        cases.append(case_of(read_scan(asked.star, "count_intensity"), "star", 0))
        rows = [row for case in cases for row in rows_of(case, asked)]
    versions = {name: importlib.metadata.version(name) for name in ("ptychi", "torch")}
    show({**versions, "threads": asked.threads})
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
