"""Whether networks of images learn: from how many seeds, and after how long.

    python benchmarks/traps.py [--cases "cnn swish" fno ...] [--seeds 0 1 2 3 4 5] [--limit 60] [--torch-weights]

The profile `patches` on 484 simulated patterns of 64x64 (6e5 photons each), one thread. A seed has learned once the
mean of its loss over 50 steps is below that of the best prediction that ignores the input, the mean pattern; it is
trapped where that takes more than `--limit` seconds of processor time. `--torch-weights` leaves out our first weights.
Prints a row a case and one JSON line.
"""

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import torch
from pair import dataset_from_raw, pair

from ptycho_config import Sources, create_training_payload, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.scan import normalise
from ptycho_torch.nets.build import build_network
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from ptycho_torch.training.lightning_module import TrainingModule
from ptycho_torch.training.losses import poisson_deviance
from ptycho_torch.training.optimizer import build_optimizer

CASES: dict[str, tuple[str, ...]] = {
    **{f"cnn {name}": (f"amp_activation={name}",) for name in ("swish", "sigmoid", "softplus", "relu")},
    "cnn real_imag": ("torch.net.cnn_output_mode=real_imag",),
    "cnn swish, twice as wide": ("amp_activation=swish", "n_filters_scale=2"),
    **{name: (f"architecture={name}",) for name in ("fno", "fno_vanilla", "ffno")},
    "fno sigmoid": ("architecture=fno", "generator_output_mode=amp_phase"),
}
WINDOW = 50


def fresh_model(setup: TrainingSetup, seed: int, *, torch_weights: bool) -> Reconstructor:
    """The untrained model, with our first weights or those of torch."""
    model = build_model(setup.training.model, setup.torch, seed, intensity_scale=True)
    if torch_weights:
        torch.manual_seed(seed)
        model = Reconstructor(
            build_network(setup.training.model, setup.torch), torch.nn.Identity(), model.probe, model.units, 1
        )
    return model


def steps_to_learn(
    setup: TrainingSetup, model: Reconstructor, data: ClusterDataset, goal: float, limit: float, seed: int
) -> tuple[int, float, float]:
    """Steps and processor seconds until the loss is below the goal or the time over, and the last loss."""
    module = TrainingModule(model, setup, 1)
    optimizer = build_optimizer(model, setup.training, setup.execution.learning_rate)
    rng, losses, begun = np.random.default_rng(seed), list[float](), time.process_time()
    while time.process_time() - begun < limit:
        rows = rng.choice(len(data), setup.training.batch_size, replace=False).tolist()
        terms = module.terms(data[rows, len(losses)])
        optimizer.zero_grad()
        terms.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), setup.training.gradient_clip_val or torch.inf)
        optimizer.step()
        losses.append(float(terms.data.detach()))
        if len(losses) >= WINDOW and statistics.fmean(losses[-WINDOW:]) < goal:
            break
    return len(losses), time.process_time() - begun, statistics.fmean(losses[-WINDOW:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(6)))
    parser.add_argument("--limit", type=float, default=60.0)
    parser.add_argument("--torch-weights", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    dataset = dataset_from_raw(pair(0, 200)[0])
    scan = normalise(dataset)
    amplitude = torch.as_tensor(np.asarray(scan.amplitude))
    goal = float(poisson_deviance(amplitude.square().mean(dim=0).expand_as(amplitude), amplitude))
    print(f"the mean pattern has a loss of {goal:.4f}", flush=True)
    rows: list[dict[str, Any]] = []
    for case in asked.cases:
        sources = Sources(command_line=parse(TrainingSetup, CASES[case]))
        setup = create_training_payload(profile="patches", sources=sources)[0].config
        groups = plan_groups(dataset.position_yx, group_plan(setup.training, setup.torch), np.random.default_rng(0))
        data = cluster_dataset(scan, groups, torch.arange(len(groups.members)), setup.torch.overlap.partners)
        found = [
            steps_to_learn(
                setup, fresh_model(setup, seed, torch_weights=asked.torch_weights), data, goal, asked.limit, seed
            )
            for seed in asked.seeds
        ]
        steps, seconds, losses = zip(*found, strict=True)
        rows.append(
            {
                "case": case,
                "learned": f"{sum(loss < goal for loss in losses)} of {len(found)}",
                "steps": f"{min(steps)}-{max(steps)}",
                "seconds": f"{min(seconds):.0f}-{max(seconds):.0f}",
                "worst_loss": round(max(losses), 4),
            }
        )
        print("  ".join(f"{name} {value}" for name, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
