"""Fine-tuning after a training: which parts of the network learn, in which order."""

from collections.abc import Mapping

import attrs

from ptycho_config.schema import TorchOptions
from ptycho_torch.nets.parts import DECODER, ENCODER_BOTTOM, ENCODER_TOP, PHASE_HEAD

PATIENCE = 5


@attrs.frozen
class FineTuneStage:
    """One stage: `factors` multiply the learning rate of each part of the network, 0 freezes it;
    `patience` epochs without progress end it."""

    name: str
    epochs: int
    factors: Mapping[str, float]
    patience: int


def fine_tuning_plan(options: TorchOptions) -> tuple[FineTuneStage, ...]:
    """The stages that follow a training, in their order; empty without fine-tuning.

    `torch.stages.epochs_fine_tune` is one stage with a frozen encoder, and
    `torch.fine_tune.staged` adds the decoder, then the upper encoder, then all of it.
    """
    stages: list[FineTuneStage] = []
    simple, tune = options.stages, options.fine_tune
    if simple.epochs_fine_tune:
        gamma = simple.fine_tune_gamma
        factors = _factors(0.0, 0.0, gamma, gamma)
        stages.append(FineTuneStage("fine-tuning", simple.epochs_fine_tune, factors, PATIENCE))
    if not tune.staged:
        return tuple(stages)
    first = _factors(0.0, 0.0, tune.stage1_lr_decoder, tune.stage1_lr_decoder)
    second = _factors(0.0, tune.stage2_lr_encoder_top, tune.stage2_lr_decoder, tune.stage2_lr_phase_head)
    stages.append(FineTuneStage("stage 1", tune.stage1_epochs, first, tune.early_stop_patience))
    stages.append(FineTuneStage("stage 2", tune.stage2_epochs, second, tune.early_stop_patience))
    if not tune.skip_stage3:
        third = _factors(
            tune.stage3_lr_encoder_bottom, tune.stage3_lr_encoder_top, tune.stage3_lr_decoder, tune.stage3_lr_phase_head
        )
        stages.append(FineTuneStage("stage 3", tune.stage3_epochs, third, tune.early_stop_patience))
    return tuple(stages)


def _factors(bottom: float, top: float, decoder: float, head: float) -> dict[str, float]:
    return {ENCODER_BOTTOM: bottom, ENCODER_TOP: top, DECODER: decoder, PHASE_HEAD: head}
