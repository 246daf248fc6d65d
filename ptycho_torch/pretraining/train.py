"""The training of one network on a family of simulated scans, against the exit waves of their known objects."""

import time
from pathlib import Path

import attrs
import numpy as np
import torch
from tqdm import tqdm

from ptycho_config import ConfigError, Problem, Resolved, Sources, create_training_payload, dump, parse
from ptycho_config.policy import refuse_unread
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api.inference import reconstruct
from ptycho_torch.api.training import TrainingRun, write_training_run
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset
from ptycho_torch.data.grouping import group_plan, plan_groups
from ptycho_torch.data.joint_dataset import JointDataset
from ptycho_torch.data.labels import cut_labels
from ptycho_torch.data.scan import normalise, split_positions, with_initial_object
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.evaluation.several import compare_several
from ptycho_torch.files import create_writable_folder, write_json
from ptycho_torch.output.npz_file import write_arrays
from ptycho_torch.physics.simulate import Complex, SimulatedScan
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.pretraining.family import random_scan
from ptycho_torch.pretraining.options import Family
from ptycho_torch.records import Dataset
from ptycho_torch.run_folder import claim_folder
from ptycho_torch.simulation.scan import read_probe
from ptycho_torch.training.datasets import TrainingData
from ptycho_torch.training.fit import Fitted, training_record, untrained_model
from ptycho_torch.training.trainer import prepare, run

HELD_BACK = 1 / 16
GROUPS_OF_A_SCAN = 32
_TRIES = 200
# The instrument of a simulated scan is known.
_AS_IT_IS = Sources(overrides={"torch.refine.unknown": (), "torch.refine.passes": 0})
OPTIONS = (
    "training.model.model_type=supervised",
    "torch.labels.loss=exit_waves",
    "torch.net.stages=6",
    "execution.learning_rate=2e-3",
    "training.adam_beta2=0.999",
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


def object_side(pixels: int) -> int:
    """The side of the object for patterns of so many pixels: 200 px for 64, 330 for 128."""
    return round(70 + 2.03125 * pixels)


def draw_scan(rng: np.random.Generator, family: Family, pixels: int, modes: Complex | None = None) -> SimulatedScan:
    """A scan of the family with enough patterns for its groups, drawn by rng; pixels: of a pattern; modes: of the
    probe, None to draw it. Raises DataError where there is hardly one."""
    for _ in range(_TRIES):
        scan = random_scan(rng, pixels, object_side(pixels), family, modes)
        if len(scan.counts) >= GROUPS_OF_A_SCAN:
            return scan
    message = f"is so wide that an object of {object_side(pixels)} px has no room for {GROUPS_OF_A_SCAN} positions"
    raise DataError(str(family.probe or "the probe"), message, "raise overlap, or pad the probe")


def simulate_training_data(setup: TrainingSetup, family: Family, modes: Complex | None = None) -> TrainingData:
    """Clusters of scans of the family, the last of which are for validation.

    setup: of groups and scales; modes `(P, N, N)`: of the probe of all of them, None where each draws its own. Each
    scan is scaled by its own statistics: pooled over scans that are as different as these, they would mean nothing.
    """
    rng, scans = np.random.default_rng(family.seed), family.scans
    sizes = rng.permutation([128] * family.large + [64] * (scans - family.large)).tolist()
    if modes is not None:
        sizes = [modes.shape[-1]] * scans
    parts = [
        clusters(draw_scan(rng, family, size, modes), setup, family.seed)
        for size in tqdm(sizes, desc="simulation", unit="scan")
    ]
    kept = scans - max(1, round(scans * HELD_BACK))
    return TrainingData(JointDataset(tuple(parts[:kept])), JointDataset(tuple(parts[kept:])), None)


def train_network(configs: Resolved[TrainingSetup], family: Family) -> TrainingRun:
    """Simulate the family, train by these configs and write. Raises DataError for a probe that cannot be used, and
    where another run writes there."""
    setup, start = configs.config, time.perf_counter()
    modes = None if family.probe is None else read_probe(family.probe)
    with claim_folder(setup.training.output_dir) as folder:
        data = simulate_training_data(setup, family, modes)
        loading = time.perf_counter() - start
        model = untrained_model(setup, data, family.seed)
        outcome = run(prepare(model, setup, data.training, data.validation, seed=family.seed, folder=folder))
        record = training_record(model, data, outcome, loading, family.seed)
        write_json(folder / "family.json", dump(family))
        return write_training_run(configs, Fitted(model, record, lambda: data))


def resolve_recipe(output_dir: Path, family: Family, options: list[str]) -> Resolved[TrainingSetup]:
    """The recommended profile, the options of the shipped network with epochs and seed of the family, this output_dir,
    and further `PATH=VALUE` options. Raises ConfigError."""
    length = (f"training.nepochs={family.epochs}", f"training.subsample_seed={family.seed}")
    sources = Sources(
        config_file=parse(TrainingSetup, [*OPTIONS, *length], "the shipped network"),
        command_line=parse(TrainingSetup, options),
    )
    configs, _ = create_training_payload(None, output_dir, profile="unrolled", sources=sources)
    refuse_unread(configs)
    setup = configs.config
    if setup.training.train_data_file is not None or setup.execution.devices not in (1, "auto"):
        message = "the scans are simulated, and trained on by one process"
        raise ConfigError([Problem("training.train_data_file", message, hint="leave it and devices alone")], "pretrain")
    return configs


def measure_quality(run: TrainingRun, family: Family) -> dict[str, tuple[float, float, float]]:
    """Contrast, detail and seconds of the network of a run, and of the one that comes with ptycho, on a further scan of
    the family, which is left with both results in the folder `check` of the run. Raises DataError."""
    modes = None if family.probe is None else read_probe(family.probe)
    pixels = 64 if modes is None else modes.shape[-1]
    scan = draw_scan(np.random.default_rng([family.seed, 1]), family, pixels, modes)
    folder = create_writable_folder(run.bundle.parent / "check")
    path = folder / "scan.npz"
    write_arrays(path, {
        "diff3d": scan.counts, "xcoords": scan.position_yx[:, 1], "ycoords": scan.position_yx[:, 0],
        "probeGuess": scan.probe, "objectGuess": scan.truth, "axes": np.array("nyx"),
    })  # fmt: skip
    found = {}
    for name, model in (("this network", run.bundle), ("the shipped network", PRETRAINED)):
        start = time.perf_counter()
        solved = reconstruct(path, folder / name.split()[1], model=model, sources=_AS_IT_IS, legacy={})
        seconds = time.perf_counter() - start
        (made,) = compare_several([read_object(solved.folder / "reconstruction.npz")], read_object(path))
        found[name] = made.contrast, made.detail, seconds
    return found
