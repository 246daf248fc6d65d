"""How far training and inference are from what the machine can do.

    python benchmarks/limit.py [--threads 2] [--networks primed cnn]

Measures the peak of a matrix product (2048) and of 3x3 convolutions (channels last, the best of some
shapes), counts the floating-point operations of a network with torch's counter (convolutions and
products) and of its FFTs (5 N^2 log2 N^2 each, counted by hooking the transform), and times training
steps, their data and whole-scan inference on the simulated scan. Rates are all operations over all
seconds. Prints a table and one JSON line.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pair import dataset_of, pair
from torch.utils.flop_counter import FlopCounterMode

from ptycho_config import Sources, TrainingSetup, create_training_payload, parse
from ptycho_torch.api.boundary import group_plan
from ptycho_torch.data.batches import cluster_dataset
from ptycho_torch.data.grouping import plan_groups
from ptycho_torch.data.scan import normalise, started
from ptycho_torch.lightning_module import TrainingModule
from ptycho_torch.predict import reconstruct_scan
from ptycho_torch.reconstructor import build_model

OF_PATCHES = ("neighbor_count=6", "batch_size=16", "partners=1", "torch.overlap.weight=1.0")
STEPS, REPEATS = 6, 3


def fastest(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Least seconds of several calls after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
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


@contextmanager
def counted() -> Iterator[dict[str, float]]:
    """Operations of what runs inside: `network` by torch's counter, `fft` by hand."""
    found = {"network": 0.0, "fft": 0.0}
    originals = {name: getattr(torch.fft, name) for name in ("fft2", "ifft2")}

    def hooked(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            pixels = x.shape[-1] * x.shape[-2]
            found["fft"] += x.numel() * 5 * math.log2(pixels)
            return original(x, *args, **kwargs)

        return call

    for name, original in originals.items():
        setattr(torch.fft, name, hooked(original))
    counter = FlopCounterMode(display=False)
    try:
        with counter:
            yield found
    finally:
        for name, original in originals.items():
            setattr(torch.fft, name, original)
    found["network"] = float(counter.get_total_flops())


def measured(network: str) -> dict[str, float]:
    """Operations and seconds of a training step, of its data, and of inference, each per pattern."""
    chosen = [f"architecture={network}", "N=64", *(OF_PATCHES if network != "primed" else ())]
    sources = Sources(command_line=parse(TrainingSetup, chosen))
    setup = create_training_payload(profile="primed", sources=sources)[0].config
    dataset = dataset_of(pair(0)[1])
    scan = started(normalise(dataset), setup.torch)
    groups = plan_groups(
        dataset.position_yx, group_plan(setup.training, setup.torch), np.random.default_rng(0)
    )
    every = torch.arange(len(groups.members))
    clusters = cluster_dataset(scan, groups, every, setup.torch.overlap.partners)
    model = build_model(setup.training.model, setup.torch, seed=0)
    module = TrainingModule(model, setup, steps_per_epoch=1)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-6)
    size = setup.training.batch_size
    batches = [clusters[list(range(size * i, size * (i + 1))), i] for i in range(STEPS)]

    def steps() -> None:
        for batch in batches:
            optimizer.zero_grad()
            module.terms(batch).total.backward()
            optimizer.step()

    def load() -> None:
        for i in range(STEPS):
            clusters[list(range(size * i, size * (i + 1))), i]

    def infer() -> None:
        reconstruct_scan(
            model,
            scan,
            torch.from_numpy(groups.members),
            batch_size=64,
            stitch=setup.torch.stitch,
            trim=0,
            device=torch.device("cpu"),
            progress=lambda _: None,
        )

    with counted() as training:
        steps()
    with counted() as inference:
        infer()
    patterns = STEPS * batches[0].amplitude.shape[0] * batches[0].amplitude.shape[1]
    # torch's counter sees backward convolutions; FFTs of the backward pass are as many as of the forward one.
    work = {"training": training["network"] + 2 * training["fft"], "inference": sum(inference.values())}
    seconds = {"training": fastest(steps), "data": fastest(load), "inference": fastest(infer)}
    return {
        "training_gflop_s": work["training"] / seconds["training"] / 1e9,
        "training_patterns_s": patterns / seconds["training"],
        "inference_gflop_s": work["inference"] / seconds["inference"] / 1e9,
        "inference_patterns_s": len(scan.centre_yx) / seconds["inference"],
        "data_share": seconds["data"] / seconds["training"],
        "fft_share_of_training_work": 2 * training["fft"] / work["training"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--networks", nargs="+", default=["primed", "cnn"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    peaks = {"matmul_gflop_s": matmul_peak() / 1e9, "convolution_gflop_s": convolution_peak() / 1e9}
    print("  ".join(f"{name} {value:.0f}" for name, value in peaks.items()), f" threads {asked.threads}")
    rows = []
    for network in asked.networks:
        row = {"network": network, **{key: round(value, 3) for key, value in measured(network).items()}}
        for stage in ("training", "inference"):
            row[f"{stage}_of_peak"] = round(row[f"{stage}_gflop_s"] / peaks["convolution_gflop_s"], 3)
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    print(json.dumps({"threads": asked.threads, **peaks, "networks": rows}))


if __name__ == "__main__":
    main()
