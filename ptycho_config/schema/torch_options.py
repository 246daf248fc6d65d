"""Options that only the PyTorch backend has, in small groups by stage."""

from collections.abc import Iterator
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import between, non_negative, part_name, positive
from ptycho_config.schema.fields import option, suggested
from ptycho_config.schema.fine_tuning import FineTuneOptions
from ptycho_config.schema.forward import Amplitude, ForwardModel, ScaleOptions
from ptycho_config.schema.grouping import GroupingOptions
from ptycho_config.schema.networks import Cnn, Network
from ptycho_config.schema.refine import RefineOptions
from ptycho_config.schema.scalars import EntryPoint

ObjectTerm = Literal["Total_Variation", "Mean_Deviation"] | None


@config
class DataOptions:
    """Reading and splitting of a scan file."""

    validation_fraction: float = option(0.05, "share held back if there is no validation scan", check=between(0.0, 0.5))
    probe_spread_rad: float = option(
        0.0,
        "how wrong the probes are that a training shows to its network, at their rms frequency: each batch another, "
        "with a normally distributed defocus and a quarter as much astigmatism; the loss has the probe of the file",
        unit="rad",
        check=non_negative,
    )
    phase_subtraction: bool = option(True, "subtract the mean phase of the object's centre from labels (supervised)")
    position_origin: Literal["corner", "centre"] = suggested(
        "corner",
        "where in the first object pixel position 0 of an NPZ scan lies: its corner, so that a patch of "
        "N px around x starts at pixel x - N/2, or its centre, as ptychodus counts; for odd N both are the "
        "same, it starts at x - (N - 1)/2",
    )
    mask: Literal["file", "auto"] = suggested(
        "file",
        "pixels that are left out: those that the file marks, or also those that are found to hold fill values, to be "
        "dead, hot or clipped, or to have a counter that starts again at 0",
    )
    fix_orientation: bool = suggested(
        False, "turn the positions to the orientation that fits the patterns, where that is another one"
    )


@config
class OverlapOptions:
    """The loss that makes neighbouring patches agree."""

    partners: int = option(0, "neighbours loaded with each group while training", unit="patterns", check=non_negative)
    weight: float = option(0.0, "weight of patterns predicted from the patches of their neighbours", check=non_negative)
    merge_weighting: Literal["probe", "central_mask", "uniform"] = option(
        "probe", "weight of a patch where the patches of a group are merged"
    )


@config
class RegularisationOptions:
    """Terms of the loss on the patches themselves."""

    amp_loss: ObjectTerm = option(None, "term on the amplitude; null has none")
    amp_loss_coeff: float = option(1.0, "weight of the amplitude term", check=non_negative)
    phase_loss: ObjectTerm = option(None, "term on the phase; null has none")
    phase_loss_coeff: float = option(1.0, "weight of the phase term", check=non_negative)


@config
class LabelOptions:
    """The comparison of supervised training with labels."""

    loss: Literal["patches", "exit_waves"] = option(
        "patches", "moduli and phases of patches as they are, or the exit waves that they make, up to one phase"
    )


def _stage_lengths(stages: "StageOptions") -> Iterator[Problem]:
    if stages.stage_1_epochs == 0 and stages.stage_2_epochs + stages.stage_3_epochs > 0:
        yield Problem("stage_1_epochs", "is 0, so there is no stage that 2 and 3 could follow")


@config(constraints=(_stage_lengths,))
class StageOptions:
    """Lengths and learning rates of the MultiStage and Adaptive schedules, and of fine-tuning."""

    stage_1_epochs: int = option(0, "full learning rate", unit="epochs", check=non_negative)
    stage_2_epochs: int = option(0, "transition", unit="epochs", check=non_negative)
    stage_3_epochs: int = option(0, "reduced learning rate", unit="epochs", check=non_negative)
    stage_3_lr_factor: float = option(0.1, "last over first learning rate of the stages", check=between(0, 1))
    physics_weight_schedule: Literal["cosine", "linear"] = option("cosine", "shape of the transition")
    epochs_fine_tune: int = option(0, "epochs of fine-tuning with a frozen encoder", unit="epochs", check=non_negative)
    fine_tune_gamma: float = option(0.1, "learning rate of fine-tuning over that of training", check=positive)


@config
class StitchOptions:
    """Stitching of patches to one object."""

    illumination_floor: float = option(
        1e-3, "pixels with less than this share of the peak illumination are left empty (1)", check=between(0.0, 1.0)
    )
    patch_weighting: Literal["probe", "uniform"] | EntryPoint = option(
        "probe",
        "weight of a pixel of a patch: its illumination (probe), 1 (uniform), or that of another package "
        "(package:name)",
        check=part_name("probe", "uniform"),
    )
    varpro_scaling: bool = option(False, "fit one factor for the real and one for the imaginary part to the patterns")
    window: int = option(0, "border left out of the pictures", unit="px", check=non_negative)


@config
class RecordOptions:
    """Records of a run besides its result."""

    experiment_name: str = option("ptycho", "name of the experiment in a logger", identity=False)
    notes: str = option("", "free text kept with the run", identity=False)
    log_grad_norm: bool = option(False, "log the norm of the gradient")
    grad_norm_log_freq: int = option(1, "steps between two norms", unit="steps", check=positive)
    log_patch_stats: bool = suggested(False, "log mean and spread of the predicted patches")
    patch_stats_limit: int | None = suggested(
        None, "batches whose patches are logged; null logs all", unit="batches", check=positive
    )


@config
class TorchOptions:
    """All options of the PyTorch backend."""

    data: DataOptions = option(DataOptions(), "reading and splitting")
    scale: ScaleOptions = option(ScaleOptions(), "units and scaling", inference="fixed")
    grouping: GroupingOptions = option(GroupingOptions(), "neighbours", inference="own")
    net: Network = option(Cnn(), "the network", renamed={"primed": "unrolled"}, inference="fixed")
    forward: ForwardModel = option(Amplitude(), "physics that the network is trained against", inference="fixed")
    overlap: OverlapOptions = option(OverlapOptions(), "agreement of neighbouring patches")
    regularisation: RegularisationOptions = option(RegularisationOptions(), "terms on the patches")
    labels: LabelOptions = option(LabelOptions(), "supervised training")
    stages: StageOptions = option(StageOptions(), "staged schedules and fine-tuning")
    fine_tune: FineTuneOptions = option(FineTuneOptions(), "staged fine-tuning")
    stitch: StitchOptions = suggested(StitchOptions(), "stitching")
    refine: RefineOptions = suggested(RefineOptions(), "improving the stitched object")
    record: RecordOptions = option(RecordOptions(), "records of a run")
