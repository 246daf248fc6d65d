"""Optimisers, learning-rate schedules and adaptive clipping."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from ptycho_config.schema import StageOptions, TrainingConfig
from ptycho_torch.nets.parts import parameters_by_part

EXPONENTIAL_DECAY = 0.95
AGC_FLOOR = 1e-3


def build_optimizer(
    model: torch.nn.Module,
    training: TrainingConfig,
    learning_rate: float,
    factors: Mapping[str, float] | None = None,
    *,
    fused: bool = False,
) -> Optimizer:
    """The optimiser that `training.optimizer` names, over all parameters of the model, from `learning_rate`.

    factors: of the learning rate for each part of the network (`nets.parts`); parts with 0 are left out.
    fused: Adam steps in one pass over all parameters, where none is complex; Lightning cannot clip for
    it in mixed precision.
    """
    decay = training.weight_decay
    fused = fused and not any(parameter.is_complex() for parameter in model.parameters())
    parameters = model.parameters() if factors is None else _groups(model, learning_rate, factors)
    betas = (training.adam_beta1, training.adam_beta2)
    match training.optimizer:
        case "adam":
            return Adam(parameters, learning_rate, betas=betas, weight_decay=decay, fused=fused)
        case "adamw":
            return AdamW(parameters, learning_rate, betas=betas, weight_decay=decay, fused=fused)
        case "sgd":
            momentum = training.momentum
            return SGD(parameters, learning_rate, momentum, weight_decay=decay, nesterov=momentum > 0)


def _groups(model: torch.nn.Module, learning_rate: float, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        {"params": parameters, "lr": learning_rate * factors[part]}
        for part, parameters in parameters_by_part(model).items()
        if parameters and factors[part] > 0
    ]


@torch.no_grad()
def clip_adaptively(parameters: Iterable[torch.nn.Parameter], limit: float) -> None:
    """`g -> g min(1, limit max(|p|, 1e-3) / |g|)` for each of the parameters: a step is bounded by the size
    of the tensor that it changes (Brock et al. 2021, with whole tensors as units)."""
    for parameter in parameters:
        if parameter.grad is not None:
            bound = limit * parameter.norm().clamp_min(AGC_FLOOR)
            norm = parameter.grad.norm()
            parameter.grad.mul_((bound / norm.clamp_min(torch.finfo(norm.dtype).tiny)).clamp_max(1.0))


def learning_rate_factor(training: TrainingConfig, stages: StageOptions, step: int, steps_per_epoch: int) -> float:
    """Learning rate over its first value after `step` optimiser steps, `steps_per_epoch` of which are an epoch.

    Exponential: `0.95^epoch`. WarmupCosine: linear over `lr_warmup_epochs`, then
    `m + (1 - m)(1 + cos(pi t)) / 2` with `m = lr_min_ratio` and t from 0 to 1 at the end.
    MultiStage and Adaptive: see `staged_factor`. training, stages: the options.
    """
    match training.scheduler:
        case "Exponential":
            return float(EXPONENTIAL_DECAY ** (step // steps_per_epoch))
        case "WarmupCosine":
            warmup = training.lr_warmup_epochs * steps_per_epoch
            if step < warmup:
                return (step + 1) / warmup
            remaining = max(1, training.nepochs * steps_per_epoch - warmup)
            floor, passed = training.lr_min_ratio, min(1.0, (step - warmup) / remaining)
            return floor + (1 - floor) * (1 + math.cos(math.pi * passed)) / 2
        case "MultiStage" | "Adaptive":
            return staged_factor(training, stages, step / steps_per_epoch)
        case _:
            return 1.0


def staged_factor(training: TrainingConfig, stages: StageOptions, epoch: float) -> float:
    """1 in stage 1, a transition to `f = stage_3_lr_factor` in stage 2, f in stage 3, at a fraction of `epoch`.

    The transition is `1 - (1 - f) w(t)`, t from 0 to 1, with `w = t` or `w = (1 - cos(pi t)) / 2`
    as `physics_weight_schedule` of `stages` says. The scheduler Adaptive of `training` starts the
    transition at 1/2, so that the step shrinks at once when the stage begins.
    """
    start = stages.stage_1_epochs
    end = start + stages.stage_2_epochs
    if epoch < start:
        return 1.0
    if epoch >= end:
        return stages.stage_3_lr_factor
    passed = (epoch - start) / (end - start)
    cosine = stages.physics_weight_schedule == "cosine"
    weight = (1 - math.cos(math.pi * passed)) / 2 if cosine else passed
    high = 0.5 if training.scheduler == "Adaptive" else 1.0
    return high - (high - stages.stage_3_lr_factor) * weight
