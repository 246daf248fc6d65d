"""Make the network that comes with ptycho.

    python -m ptycho_torch.pretraining OUTPUT_DIR [--scans 224] [--large 24] [--epochs 3] [--seed 0] \
        [--set PATH=VALUE ...]

Draws scans of the family (`ptycho_torch.pretraining.family`), trains one network on all of them against
the exit waves of the known objects, and leaves the files of a training run in OUTPUT_DIR. `--large` of
the scans have patterns of 128 px, the others of 64. To ship it, copy its `wts.h5.zip` over
`ptycho_torch/pretrained/unrolled.wts.h5.zip`.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np
import torch
from tqdm import tqdm

from ptycho_config import Resolved, Sources, create_training_payload, parse
from ptycho_config.policy import refuse_unread
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api.training import write_training_run
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.joint_dataset import JointDataset
from ptycho_torch.data.labels import cut_labels
from ptycho_torch.data.scan import normalise, split_positions, with_initial_object
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.pretraining.family import random_scan
from ptycho_torch.records import Dataset
from ptycho_torch.run_folder import claim_folder
from ptycho_torch.training.datasets import TrainingData
from ptycho_torch.training.fit import Fitted, training_record, untrained_model
from ptycho_torch.training.trainer import prepare, run

SIDES = {64: 200, 128: 330}
HELD_BACK = 1 / 16
GROUPS_OF_A_SCAN = 32
OPTIONS = (
    "training.model.model_type=supervised",
    "torch.labels.loss=exit_waves",
    "torch.net.stages=6",
    "execution.learning_rate=2e-3",
    f"training.n_groups={GROUPS_OF_A_SCAN}",
    "execution.enable_progress_bar=true",
)


def clusters(simulated: SimulatedScan, setup: TrainingSetup, seed: int) -> ClusterDataset:
    """The clusters of a simulated scan, as the setup groups it by this seed, with the patches of its object as
    labels."""
    dataset = Dataset("simulated", simulated.counts, simulated.position_yx, simulated.probe)
    centre, _ = split_positions(dataset.position_yx)
    labels = cut_labels(Path(dataset.name), simulated.truth, centre, simulated.probe.shape[-1])
    dataset = attrs.evolve(dataset, label=labels)
    scan = with_initial_object(normalise(dataset, setup.training.model, setup.torch.scale), setup.torch)
    plan = group_plan(setup.training, setup.torch)
    groups = plan_groups(dataset.position_yx, plan, np.random.default_rng(seed))
    every = torch.arange(len(groups.members))
    return cluster_dataset(scan, groups, every, setup.torch.overlap.partners)


def simulate_training_data(setup: TrainingSetup, scans: int, large: int, seed: int) -> TrainingData:
    """Clusters of scans of the family, the last of which are for validation.

    setup: of groups and scales; scans: how many, of which `large` have patterns of 128 px; seed: of the scans
    and groups. Each scan is
    scaled by its own statistics: pooled over scans that are as different as these, they would mean nothing.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.permutation([128] * large + [64] * (scans - large)).tolist()
    parts = []
    for size in tqdm(sizes, desc="simulation", unit="scan"):
        scan = random_scan(rng, size, SIDES[size])
        while len(scan.counts) < GROUPS_OF_A_SCAN:
            scan = random_scan(rng, size, SIDES[size])
        parts.append(clusters(scan, setup, seed))
    kept = scans - max(1, round(scans * HELD_BACK))
    return TrainingData(JointDataset(tuple(parts[:kept])), JointDataset(tuple(parts[kept:])), None)


def train_network(configs: Resolved[TrainingSetup], scans: int, large: int, seed: int) -> Path:
    """Simulate, train and write; returns the path of the bundle. Raises DataError where another run writes there.

    configs: of the training; scans, large, seed: as for `simulate_training_data`.
    """
    setup, start = configs.config, time.perf_counter()
    with claim_folder(setup.training.output_dir) as folder:
        data = simulate_training_data(setup, scans, large, seed)
        loading = time.perf_counter() - start
        model = untrained_model(setup, data, seed)
        outcome = run(prepare(model, setup, data.training, data.validation, seed=seed, folder=folder))
        record = training_record(model, data, outcome, loading, seed)
        return write_training_run(configs, Fitted(model, record, lambda: data)).bundle


def resolve_recipe(output_dir: Path, epochs: int, seed: int, options: list[str]) -> Resolved[TrainingSetup]:
    """The recommended profile, the options of the shipped network with these epochs, seed and output_dir, and
    further `PATH=VALUE` options."""
    length = (f"training.nepochs={epochs}", f"training.subsample_seed={seed}")
    sources = Sources(
        config_file=parse(TrainingSetup, [*OPTIONS, *length], "the shipped network"),
        command_line=parse(TrainingSetup, options),
    )
    configs, _ = create_training_payload(None, output_dir, profile="unrolled", sources=sources)
    refuse_unread(configs)
    return configs


def main(argv: Sequence[str] | None = None) -> None:
    """Make the network; argv: the arguments of the command, those of the process by default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output_dir", type=Path)
    parser.add_argument("--scans", type=int, default=224)
    parser.add_argument("--large", type=int, default=24, help="how many of them have patterns of 128 px")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    arguments = parser.parse_args(argv)
    if arguments.scans < 2 or not 0 <= arguments.large <= arguments.scans:
        parser.error("give at least two scans, of which --large are not more than all")
    configs = resolve_recipe(arguments.output_dir, arguments.epochs, arguments.seed, arguments.set)
    if configs.config.training.train_data_file is not None or configs.config.execution.devices not in (1, "auto"):
        parser.error("the scans are simulated, and trained on by one process")
    print(f"wrote {train_network(configs, arguments.scans, arguments.large, arguments.seed)}")


if __name__ == "__main__":
    main()
