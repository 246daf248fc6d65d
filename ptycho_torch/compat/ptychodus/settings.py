"""The flat configuration classes with the fields that ptychodus 1.7 adds to them."""

import attrs

from ptycho_config.vocabulary import DataConfig as _DataConfig
from ptycho_config.vocabulary import FlatInferenceConfig, FlatModelConfig, FlatTrainingConfig
from ptycho_config.vocabulary.flat import flat, no_option
from ptycho_config.vocabulary.translation import words

REFINE_PASSES = 20
_COSINE = words({"Cosine": "WarmupCosine"})
_RAMP = "a phase ramp taken out of the probe would appear in the object, whose patterns it cannot move"
_VARIANCE = "there is no such term: choose amp_loss Total_Variation or Mean_Deviation"


@attrs.define
class DataConfig(_DataConfig):
    """Patterns and groups."""

    probe_ramp_removal: bool = no_option(default=False, reason=_RAMP)


@attrs.define
class ModelConfig(FlatModelConfig):
    """Network, forward model and loss."""

    probe_reference_coeff: float = no_option(0.0, "the probe is taken as it is, nothing holds it to a reference")
    amplitude_variance_loss: bool = no_option(default=False, reason=_VARIANCE)
    amplitude_variance_coeff: float = no_option(0.01, _VARIANCE)


@attrs.define
class TrainingConfig(FlatTrainingConfig):
    """Optimiser, schedule, fine-tuning and devices."""

    scheduler: str = flat("Default", "run.scheduler", _COSINE)
    model_name: str = flat("PtychoPINNv2", "torch.record.experiment_name")
    warmup_epochs: int = flat(0, "run.lr_warmup_epochs")
    min_lr_ratio: float = flat(0.1, "run.lr_min_ratio")
    enable_staged_finetuning: bool = flat(default=False, paths="torch.fine_tune.staged")
    finetune_stage1_epochs: int = flat(7, "torch.fine_tune.stage1_epochs")
    finetune_stage2_epochs: int = flat(7, "torch.fine_tune.stage2_epochs")
    finetune_stage3_epochs: int = flat(5, "torch.fine_tune.stage3_epochs")
    finetune_stage1_lr_decoder: float = flat(0.1, "torch.fine_tune.stage1_lr_decoder")
    finetune_stage2_lr_encoder_top: float = flat(0.01, "torch.fine_tune.stage2_lr_encoder_top")
    finetune_stage2_lr_decoder: float = flat(0.05, "torch.fine_tune.stage2_lr_decoder")
    finetune_stage2_lr_phase_head: float = flat(0.1, "torch.fine_tune.stage2_lr_phase_head")
    finetune_stage3_lr_encoder_bottom: float = flat(0.005, "torch.fine_tune.stage3_lr_encoder_bottom")
    finetune_stage3_lr_encoder_top: float = flat(0.01, "torch.fine_tune.stage3_lr_encoder_top")
    finetune_stage3_lr_decoder: float = flat(0.02, "torch.fine_tune.stage3_lr_decoder")
    finetune_stage3_lr_phase_head: float = flat(0.05, "torch.fine_tune.stage3_lr_phase_head")
    finetune_skip_stage3: bool = flat(default=True, paths="torch.fine_tune.skip_stage3")
    finetune_early_stop_patience: int = flat(3, "torch.fine_tune.early_stop_patience")
    finetune_val_split: float = flat(0.05, "torch.data.validation_fraction")


@attrs.define
class InferenceConfig(FlatInferenceConfig):
    """Stitching, and refinement of the stitched object, which is ours: the client leaves it at its
    default, `refine_passes=0` switches it off."""

    refine_passes: int = flat(REFINE_PASSES, "torch.refine.passes")
