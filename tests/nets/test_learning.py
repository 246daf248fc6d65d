"""Every network learns, for every size of pattern and of group."""

from typing import Any

import numpy as np
import pytest
import torch

from ptycho_config import Sources, create_training_payload
from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import ClusterDataset, cluster_dataset
from ptycho_torch.data.grouping import GroupPlan, plan_groups
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.physics.pupil import Aberration, aberrated_probe
from ptycho_torch.physics.simulate import defocused_probe, natural_object, simulate_scan
from ptycho_torch.records import Dataset
from ptycho_torch.training.lightning_module import TrainingModule

NETWORKS: dict[str, dict[str, Any]] = {
    "cnn": {"architecture": "cnn", "n_filters_scale": 1},
    "fno": {"architecture": "fno", "fno_width": 8, "fno_modes": 8},
    "fno_vanilla": {"architecture": "fno_vanilla", "fno_width": 8, "fno_modes": 8},
    "ffno": {"architecture": "ffno", "fno_width": 8, "fno_modes": 8},
    "unrolled": {"architecture": "unrolled", "torch.net.width": 4, "torch.net.stages": 2},
    "unrolled, patches": {
        "architecture": "unrolled",
        "torch.net.width": 4,
        "torch.net.stages": 1,
        "torch.net.stitched": False,
    },
}
STEPS = 20


def _setup(network: str, side: int, gridsize: int) -> TrainingSetup:
    overrides = {**NETWORKS[network], "N": side, "gridsize": gridsize, "neighbor_count": max(4, gridsize**2 - 1)}
    return create_training_payload(sources=Sources(overrides=overrides))[0].config


def _clusters(setup: TrainingSetup) -> ClusterDataset:
    """Nine patterns of a small scan, grouped."""
    side, step = setup.training.model.N, setup.training.model.N / 10
    made = simulate_scan(
        natural_object("camera", "coins", round(side + 2 * step + 6)),
        seed=0,
        probe=defocused_probe(side, pupil_px=side / 6, defocus_rad=6.0)[None],
        step_px=step,
        jitter_px=1.0,
    )
    scan = with_initial_object(normalise(Dataset("simulated", made.counts, made.position_yx, made.probe)), setup.torch)
    side_of_group = setup.training.model.gridsize
    plan = GroupPlan(gridsize=side_of_group, neighbor_count=setup.training.neighbor_count)
    groups = plan_groups(made.position_yx, plan, np.random.default_rng(0))
    return cluster_dataset(scan, groups, torch.arange(len(groups.members)), 0)


def _losses(network: str, side: int, gridsize: int) -> list[float]:
    setup = _setup(network, side, gridsize)
    batch = _clusters(setup)[[0, 1, 2, 3], 0]
    module = TrainingModule(build_model(setup.training.model, setup.torch, seed=0), setup, 1)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        total = module.terms(batch).total
        total.backward()
        optimizer.step()
        losses.append(float(total.detach()))
    return losses


def test_a_network_sees_the_shown_probe_and_the_loss_that_of_the_scan() -> None:
    """Another shown probe gives other patches and the same probes of the prediction."""
    setup = _setup("unrolled", 64, 1)
    batch = _clusters(setup)[[0, 1], 0]
    model = build_model(setup.training.model, setup.torch, seed=0)
    plain, other = model(batch), model(batch._replace(shown=aberrated_probe(batch.probe, Aberration(3.0))))
    assert torch.equal(plain.probes, other.probes)
    assert not torch.allclose(plain.patches, other.patches, atol=1e-3)


@pytest.mark.parametrize("gridsize", [1, 2, 3])
@pytest.mark.parametrize("network", NETWORKS)
def test_twenty_steps_lower_the_loss(network: str, gridsize: int) -> None:
    """Of a batch of a simulated scan with patterns of 64 px."""
    losses = _losses(network, 64, gridsize)
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("gridsize", [1, 2, 3])
@pytest.mark.parametrize("side", [128, 256])
@pytest.mark.parametrize("network", NETWORKS)
def test_twenty_steps_lower_the_loss_of_larger_patterns(network: str, side: int, gridsize: int) -> None:
    """The same with 128 and 256 px."""
    losses = _losses(network, side, gridsize)
    assert losses[-1] < losses[0]


def test_without_steps_the_loss_stays() -> None:
    """What the tests above see is learning."""
    setup = _setup("fno", 64, 1)
    batch = _clusters(setup)[[0, 1], 0]
    module = TrainingModule(build_model(setup.training.model, setup.torch, seed=0), setup, 1)
    with torch.no_grad():
        assert float(module.terms(batch).total) == float(module.terms(batch).total)
