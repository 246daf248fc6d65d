"""From the files of a training to its clusters of patterns."""

from pathlib import Path

import attrs
import numpy as np
import torch

from ptycho_config import TrainingSetup
from ptycho_torch.api.boundary import group_plan
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset, split_rows
from ptycho_torch.data.grouping import plan_groups
from ptycho_torch.data.joint import JointDataset
from ptycho_torch.data.labels import read_labels
from ptycho_torch.data.readers import read_scan, scan_files
from ptycho_torch.data.scan import normalise, split_positions, started
from ptycho_torch.errors import DataError
from ptycho_torch.records import Groups, Scan
from ptycho_torch.trainer import Clusters


def training_clusters(setup: TrainingSetup, seed: int) -> tuple[Clusters, Clusters | None]:
    """Training and validation clusters: from two sets of scans, or each scan split by groups.

    A folder is all its scans, each grouped and normalised by itself. Raises DataError.
    """
    training = setup.training
    assert training.train_data_file is not None
    whole = [_grouped(path, setup, seed) for path in scan_files(training.train_data_file)]
    if training.test_data_file is not None:
        others = [_grouped(path, setup, seed) for path in scan_files(training.test_data_file)]
        return _joined([_all(*one, setup) for one in whole]), _joined([_all(*one, setup) for one in others])
    kept, held = [], []
    for scan, groups, name in whole:
        fraction = setup.torch.data.validation_fraction
        rows, held_back = split_rows(len(groups.members), fraction, seed)
        kept.append(_cut(scan, groups, name, rows, setup))
        if len(held_back):
            held.append(_cut(scan, groups, name, held_back, setup))
    return _joined(kept), _joined(held) if held else None


def _joined(parts: list[ClusterDataset]) -> Clusters:
    return parts[0] if len(parts) == 1 else JointDataset(tuple(parts))


def _all(scan: Scan, groups: Groups, name: str, setup: TrainingSetup) -> ClusterDataset:
    return _cut(scan, groups, name, torch.arange(len(groups.members)), setup)


def _cut(scan: Scan, groups: Groups, name: str, rows: torch.Tensor, setup: TrainingSetup) -> ClusterDataset:
    try:
        return cluster_dataset(scan, groups, rows, setup.torch.overlap.partners)
    except ValueError as error:
        raise DataError(name, str(error)) from None


def _grouped(path: Path, setup: TrainingSetup, seed: int) -> tuple[Scan, Groups, str]:
    training = setup.training
    dataset = read_scan(path, setup.torch.scale.domain)
    if training.model.model_type == "supervised":
        centre, _ = split_positions(dataset.position_yx)
        side, subtract = training.model.N, setup.torch.data.phase_subtraction
        dataset = attrs.evolve(dataset, label=read_labels(path, centre, side, subtract_phase=subtract))
    try:
        plan = group_plan(training, setup.torch)
        groups = plan_groups(dataset.position_yx, plan, np.random.default_rng(seed))
    except ValueError as error:
        raise DataError(dataset.name, str(error)) from None
    return started(normalise(dataset, training.model), setup.torch), groups, dataset.name
