"""How far training and inference are from what the machine can do.

    python benchmarks/limit.py [--threads 2] [--networks unrolled cnn] [--batch] [--set PATH=VALUE ...]

Measures the peak of a matrix product (2048) and of 3x3 convolutions (channels last, the best of some
shapes), counts the floating-point operations of a network with torch's counter, forward and backward
(convolutions and products as torch does, FFTs as 5 N^2 log2 N^2 each), and times training steps, their
data and whole-scan inference on the simulated scan. Rates are all operations over all seconds, and
those of convolutions over the seconds that torch's profiler finds in them; the profiler also says
where the rest of the time goes. With one thread seconds are of the processor, which others that use
the machine change less. --batch: patterns a second for several batch sizes too. Prints tables and
one JSON line.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from pair import dataset_from_raw, pair
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from ptycho_config import Sources, create_training_payload, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import cluster_dataset
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.records import Dataset
from ptycho_torch.training.lightning_module import TrainingModule
from ptycho_torch.training.optimizer import build_optimizer

OF_PATCHES = ("neighbor_count=6", "batch_size=16", "partners=1", "torch.overlap.weight=1.0")
STEPS, REPEATS = 6, 5
# Of networks whose inference takes 20 s.
SLOW_REPEATS = 2
TRAINING_BATCHES, INFERENCE_BATCHES = (1, 2, 4, 8), (16, 32, 64, 128, 256)
# What the profiler's operations are about, the first that fits; all others pass over arrays once.
KINDS = {
    "convolutions": ("conv",),
    "ffts": ("_fft_",),
    "gather_scatter": ("scatter", "gather", "index"),
    "optimiser": ("adam", "Optimizer"),
}


def now() -> float:
    """Seconds of the processor where one thread works, of the wall otherwise."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def fastest(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least seconds of several calls after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = now()
        work()
        seconds.append(now() - start)
    return min(seconds)


def matmul_peak() -> float:
    """FLOP/s of a product of two matrices of 2048."""
    a = torch.randn(2048, 2048)
    return 2 * 2048**3 / fastest(lambda: a @ a)


def convolution_peak() -> float:
    """FLOP/s of the fastest of some 3x3 convolutions, channels last."""
    rates = []
    for batch, channels, side in ((16, 64, 64), (8, 128, 64), (32, 64, 32), (4, 256, 32)):
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(memory_format=torch.channels_last)
        x = torch.randn(batch, channels, side, side).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            seconds = fastest(lambda layer=layer, x=x: layer(x))  # type: ignore[misc] # bound at once
        rates.append(2 * 9 * channels**2 * batch * side**2 / seconds)
    return max(rates)


def fft_operations(shape: tuple[int, ...], dim: list[int], *_: Any, **__: Any) -> int:
    """`5 n log2 n` of each transform of n elements."""
    return round(math.prod(shape) * 5 * math.log2(math.prod(shape[axis] for axis in dim)))


def counted(work: Callable[[], object]) -> dict[str, float]:
    """Operations in `convolutions` (and products) and in `ffts`, of the backward pass too."""
    transform = torch.ops.aten._fft_c2c  # noqa: SLF001 # torch has no other name for it
    counter = FlopCounterMode(display=False, custom_mapping={transform: fft_operations})
    with counter:
        work()
    by_name = {str(op): count for op, count in counter.get_flop_counts()["Global"].items()}
    ffts = sum(count for name, count in by_name.items() if "_fft_" in name)
    return {"convolutions": float(sum(by_name.values()) - ffts), "ffts": float(ffts)}


def account(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Seconds in each of `KINDS` and in `passes`, the least of several runs of each operation."""
    runs = []
    for _ in range(repeats):
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            work()
        found: dict[str, list[float]] = {}
        for event in profiler.events() or ():
            if event.name.startswith(("aten::", "Optimizer")):
                found.setdefault(event.name, []).append(event.self_cpu_time_total / 1e6)
        runs.append(found)
    total: Counter[str] = Counter(dict.fromkeys((*KINDS, "passes"), 0.0))
    for name in runs[0]:
        kind = next((kind for kind, parts in KINDS.items() if any(p in name for p in parts)), "passes")
        same = [run[name] for run in runs if len(run[name]) == len(runs[0][name])]
        total[kind] += sum(map(min, zip(*same, strict=True)))
    return dict(total)


class Work(NamedTuple):
    """What is timed, and how many patterns each call has."""

    steps: Callable[[], object]
    load: Callable[[], object]
    infer: Callable[[], object]
    trained: int
    inferred: int


@cache
def simulated() -> Dataset:
    """The scan that is trained on and reconstructed."""
    return dataset_from_raw(pair(0)[1])


def work_of(network: str, options: Sequence[str], inference_batch: int = 64) -> Work:
    """Training steps, their data, and inference, of the profile with one network and options."""
    chosen = [f"architecture={network}", "N=64", *(OF_PATCHES if network != "unrolled" else ()), *options]
    sources = Sources(command_line=parse(TrainingSetup, chosen))
    setup = create_training_payload(profile="unrolled", sources=sources)[0].config
    dataset = simulated()
    scan = with_initial_object(normalise(dataset), setup.torch)
    groups = plan_groups(dataset.position_yx, group_plan(setup.training, setup.torch), np.random.default_rng(0))
    every = torch.arange(len(groups.members))
    clusters = cluster_dataset(scan, groups, every, setup.torch.overlap.partners)
    model = build_model(setup.training.model, setup.torch, seed=0)
    module = TrainingModule(model, setup, steps_per_epoch=1)
    optimizer = build_optimizer(model, setup.training, 1e-6, fused=True)
    size = setup.training.batch_size
    chunks = [(list(range(size * i, size * (i + 1))), i) for i in range(STEPS)]
    batches = [clusters[chunk] for chunk in chunks]

    def steps() -> None:
        for batch in batches:
            optimizer.zero_grad()
            module.terms(batch).total.backward()
            optimizer.step()

    def infer() -> None:
        reconstruct_scan(
            model,
            scan,
            torch.from_numpy(groups.members),
            batch_size=inference_batch,
            stitch=setup.torch.stitch,
            trim=0,
            device=torch.device("cpu"),
            progress=lambda _: None,
        )

    patterns = STEPS * batches[0].amplitude.shape[0] * batches[0].amplitude.shape[1]
    return Work(steps, lambda: [clusters[chunk] for chunk in chunks], infer, patterns, len(scan.centre_yx))


def measured(network: str, options: Sequence[str]) -> dict[str, float]:
    """Rates of training and inference, and the share of the time that each kind of work takes."""
    work, repeats = work_of(network, options), REPEATS if network == "unrolled" else SLOW_REPEATS
    row: dict[str, float] = {}
    for stage, call, patterns in (("training", work.steps, work.trained), ("inference", work.infer, work.inferred)):
        operations, seconds, parts = counted(call), fastest(call, repeats), account(call, repeats)
        row[f"{stage}_patterns_s"] = patterns / seconds
        row[f"{stage}_gflop_s"] = sum(operations.values()) / seconds / 1e9
        row[f"{stage}_convolution_gflop_s"] = operations["convolutions"] / parts["convolutions"] / 1e9
        row[f"{stage}_fft_gflop_s"] = operations["ffts"] / max(parts["ffts"], 1e-9) / 1e9
        row |= {f"{stage}_in_{kind}": part / seconds for kind, part in parts.items()}
        row[f"{stage}_in_rest"] = 1 - sum(parts.values()) / seconds
    row["data_share"] = fastest(work.load) / (work.trained / row["training_patterns_s"])
    return row


def by_batch(network: str, options: Sequence[str]) -> dict[str, dict[int, float]]:
    """Patterns a second, `training` by clusters a step and `inference` by patterns at once."""
    found: dict[str, dict[int, float]] = {"training": {}, "inference": {}}
    for size in TRAINING_BATCHES:
        work = work_of(network, [*options, f"batch_size={size}"])
        found["training"][size] = round(work.trained / fastest(work.steps))
    for size in INFERENCE_BATCHES:
        work = work_of(network, options, inference_batch=size)
        found["inference"][size] = round(work.inferred / fastest(work.infer))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--networks", nargs="+", default=["unrolled", "cnn"])
    parser.add_argument("--batch", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    peaks = {"matmul_gflop_s": matmul_peak() / 1e9, "convolution_gflop_s": convolution_peak() / 1e9}
    print("  ".join(f"{name} {value:.0f}" for name, value in peaks.items()), f" threads {asked.threads}")
    rows: list[dict[str, Any]] = []
    for network in asked.networks:
        row: dict[str, Any] = {"network": network}
        row |= {key: round(value, 3) for key, value in measured(network, asked.set).items()}
        for stage in ("training", "inference"):
            for rate in ("gflop_s", "convolution_gflop_s"):
                name = f"{stage}_{rate.removesuffix('gflop_s')}of_peak"
                row[name] = round(row[f"{stage}_{rate}"] / peaks["convolution_gflop_s"], 3)
        print("\n".join(f"{key:32} {value}" for key, value in row.items()), flush=True)
        if asked.batch:
            row["by_batch"] = by_batch(network, asked.set)
            for stage, rates in row["by_batch"].items():
                best = max(rates, key=rates.__getitem__)
                print(f"{stage}: best batch {best}; patterns/s", rates, flush=True)
        rows.append(row)
    print(json.dumps({"threads": asked.threads, **peaks, "networks": rows}))


if __name__ == "__main__":
    main()
