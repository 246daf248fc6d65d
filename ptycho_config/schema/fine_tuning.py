"""Staged fine-tuning: which part of a network goes on learning, how fast and for how long."""

from collections.abc import Iterator

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import between, non_negative, positive

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

    staged: bool = field(default=False, doc="fine-tune in stages after the training")
    stage1_epochs: int = field(default=7, unit="epochs", check=positive, doc="epochs of stage 1")
    stage2_epochs: int = field(default=7, unit="epochs", check=positive, doc="epochs of stage 2")
    stage3_epochs: int = field(default=5, unit="epochs", check=positive, doc="epochs of stage 3")
    skip_stage3: bool = field(default=True, doc="leave out stage 3, which moves the whole network")
    stage1_lr_decoder: float = field(default=0.1, check=_FACTOR, doc="decoder in stage 1")
    stage2_lr_encoder_top: float = field(default=0.01, check=_FACTOR, doc="upper encoder in stage 2")
    stage2_lr_decoder: float = field(default=0.05, check=_FACTOR, doc="decoder in stage 2")
    stage2_lr_phase_head: float = field(default=0.1, check=_FACTOR, doc="last layer of the phase in stage 2")
    stage3_lr_encoder_bottom: float = field(default=0.005, check=_FACTOR, doc="lower encoder in stage 3")
    stage3_lr_encoder_top: float = field(default=0.01, check=_FACTOR, doc="upper encoder in stage 3")
    stage3_lr_decoder: float = field(default=0.02, check=_FACTOR, doc="decoder in stage 3")
    stage3_lr_phase_head: float = field(default=0.05, check=_FACTOR, doc="last layer of the phase in stage 3")
    early_stop_patience: int = field(
        default=3, unit="epochs", check=non_negative, doc="epochs of a stage without a better metric"
    )
