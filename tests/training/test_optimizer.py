"""Schedules and clipping: the shapes they promise."""

import itertools

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ptycho_config.profiles import profile
from ptycho_config.schema import StageOptions, TrainingConfig, TrainingSetup
from ptycho_torch.training.optimizer import build_optimizer, clip_adaptively, learning_rate_factor

STAGES = StageOptions(stage_1_epochs=2, stage_2_epochs=4, stage_3_epochs=2)


def _factors(epochs: int, stages: StageOptions = STAGES, **training: object) -> list[float]:
    config = TrainingConfig(nepochs=epochs, **training)  # type: ignore[arg-type] # by name
    return [learning_rate_factor(config, stages, step, 10) for step in range(0, 10 * epochs, 10)]


def test_exponential_and_constant() -> None:
    """0.95 an epoch, and nothing."""
    assert _factors(3, scheduler="Exponential") == pytest.approx([1, 0.95, 0.95**2])
    assert _factors(3, scheduler="Default") == [1, 1, 1]


def test_warm_up_and_cosine() -> None:
    """From a tenth of the first epoch's steps up to 1, down to the ratio at the end."""
    config = TrainingConfig(nepochs=5, scheduler="WarmupCosine", lr_warmup_epochs=1, lr_min_ratio=0.2)
    factors = [learning_rate_factor(config, STAGES, step, 10) for step in range(51)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors[50] == pytest.approx(0.2)
    assert all(late <= early + 1e-12 for early, late in itertools.pairwise(factors[10:]))


@pytest.mark.parametrize("shape", ["cosine", "linear"])
def test_stages(shape: str) -> None:
    """1, a transition, the factor; adaptive starts the transition at one half."""
    stages = StageOptions(
        stage_1_epochs=2,
        stage_2_epochs=4,
        stage_3_epochs=2,
        physics_weight_schedule=shape,  # type: ignore[arg-type]
    )
    staged = _factors(8, stages, scheduler="MultiStage")
    assert staged[:3] == pytest.approx([1, 1, 1])
    assert staged[4] == pytest.approx(0.55)
    assert staged[6:] == pytest.approx([0.1, 0.1])
    adaptive = _factors(8, stages, scheduler="Adaptive")
    assert adaptive[1:3] == pytest.approx([1, 0.5])
    assert adaptive[6:] == pytest.approx([0.1, 0.1])


@given(st.floats(1e-3, 1.0), st.floats(0.1, 100.0))
def test_adaptive_clipping_bounds_each_step_by_its_parameter(limit: float, size: float) -> None:
    """`|g| <= limit max(|p|, 1e-3)`, direction kept; small gradients stay as they are."""
    parameter = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    parameter.grad = size * torch.tensor([1.0, 0.0])
    clip_adaptively([parameter], limit)
    assert float(parameter.grad[0]) == pytest.approx(min(size, 5 * limit), rel=1e-5)
    assert float(parameter.grad[1]) == 0.0


def test_clipping_by_the_wrong_norm_would_be_seen() -> None:
    """A global norm over several parameters is not what adaptive clipping does."""
    parameters = [torch.nn.Parameter(torch.full((2,), value)) for value in (1.0, 100.0)]
    for parameter in parameters:
        parameter.grad = torch.ones(2)
    clip_adaptively(parameters, 0.1)
    assert float(parameters[0].grad.norm()) == pytest.approx(0.1 * 2**0.5, rel=1e-5)  # type: ignore[union-attr]
    assert float(parameters[1].grad.norm()) == pytest.approx(2**0.5)  # type: ignore[union-attr]


def _largest_step(training: TrainingConfig) -> float:
    """The step over the learning rate after one gradient that is a hundred times the usual ones."""
    weight = nn.Parameter(torch.zeros(()))
    optimizer = build_optimizer(nn.ParameterList([weight]), attrs.evolve(training, weight_decay=0.0), 1.0)
    before = weight.detach().clone()
    for gradient in (*np.random.default_rng(0).choice((-1.0, 1.0), 1000), 100.0):
        weight.grad = torch.tensor(float(gradient))
        before = weight.detach().clone()
        optimizer.step()
    return float((weight.detach() - before).abs())


def test_a_rare_gradient_moves_a_weight_by_one_learning_rate() -> None:
    """With the second moment of the profile; with torch's own it is more than twice that."""
    recommended = profile("unrolled")(TrainingSetup()).training
    assert _largest_step(recommended) < 1.05
    assert _largest_step(attrs.evolve(recommended, adam_beta2=0.999)) > 2.0
