"""Staged fine-tuning: which part of a network goes on learning, how fast and for how long."""

from collections.abc import Iterator

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import between, non_negative, positive
from ptycho_config.schema.fields import option

_FACTOR = between(0.0, 1.0)


def _something_learns(tune: "FineTuneOptions") -> Iterator[Problem]:
    stages = {
        "stage1": (tune.stage1_lr_decoder,),
        "stage2": (tune.stage2_lr_encoder_top, tune.stage2_lr_decoder, tune.stage2_lr_phase_head),
        "stage3": (
            tune.stage3_lr_encoder_bottom,
            tune.stage3_lr_encoder_top,
            tune.stage3_lr_decoder,
            tune.stage3_lr_phase_head,
        ),
    }
    for name, factors in stages.items():
        if not any(factors):
            yield Problem(f"{name}_lr_decoder", f"all parts of {name} are frozen", hint="raise one above 0")


@config(constraints=(_something_learns,))
class FineTuneOptions:
    """Three stages after the training; a factor multiplies its learning rate, 0 freezes a part.

    Stage 1 trains the decoder alone, stage 2 the upper encoder too, stage 3 everything.
    """

    staged: bool = option(False, "fine-tune in stages after the training")
    stage1_epochs: int = option(7, "epochs of stage 1", unit="epochs", check=positive)
    stage2_epochs: int = option(7, "epochs of stage 2", unit="epochs", check=positive)
    stage3_epochs: int = option(5, "epochs of stage 3", unit="epochs", check=positive)
    skip_stage3: bool = option(True, "leave out stage 3, which moves the whole network")
    stage1_lr_decoder: float = option(0.1, "decoder in stage 1", check=_FACTOR)
    stage2_lr_encoder_top: float = option(0.01, "upper encoder in stage 2", check=_FACTOR)
    stage2_lr_decoder: float = option(0.05, "decoder in stage 2", check=_FACTOR)
    stage2_lr_phase_head: float = option(0.1, "last layer of the phase in stage 2", check=_FACTOR)
    stage3_lr_encoder_bottom: float = option(0.005, "lower encoder in stage 3", check=_FACTOR)
    stage3_lr_encoder_top: float = option(0.01, "upper encoder in stage 3", check=_FACTOR)
    stage3_lr_decoder: float = option(0.02, "decoder in stage 3", check=_FACTOR)
    stage3_lr_phase_head: float = option(0.05, "last layer of the phase in stage 3", check=_FACTOR)
    early_stop_patience: int = option(3, "epochs of a stage without a better metric", unit="epochs", check=non_negative)
