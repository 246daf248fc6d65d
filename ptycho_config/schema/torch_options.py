"""Options that only the PyTorch backend has, in small groups by stage."""

from collections.abc import Iterator
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field, suggested
from ptycho_config.schema.checks import between, non_negative, part_name, positive
from ptycho_config.schema.fine_tuning import FineTuneOptions
from ptycho_config.schema.forward import Amplitude, ForwardModel, ScaleOptions
from ptycho_config.schema.grouping import GroupingOptions
from ptycho_config.schema.networks import Cnn, Network
from ptycho_config.schema.refine import RefineOptions

ObjectTerm = Literal["Total_Variation", "Mean_Deviation"] | None


@config
class DataOptions:
    """How a scan file is read and split."""

    validation_fraction: float = field(
        default=0.05, check=between(0.0, 0.5), doc="groups held back when there is no validation scan"
    )
    phase_subtraction: bool = field(
        default=True, doc="subtract the mean phase of the object's centre from labels (supervised)"
    )
    position_origin: Literal["corner", "centre"] = suggested(
        default="corner",
        doc="where in the first object pixel position 0 of an NPZ scan lies: its corner, so that a patch of "
        "N px around x starts at pixel x - N/2, or its centre, as ptychodus counts; for odd N both are the "
        "same, it starts at x - (N - 1)/2",
    )


@config
class OverlapOptions:
    """The loss that makes neighbouring patches agree."""

    partners: int = field(
        default=0, unit="patterns", check=non_negative, doc="neighbours that travel with each group while training"
    )
    weight: float = field(
        default=0.0, check=non_negative, doc="weight of the patterns of a cluster predicted from each other's patches"
    )
    merge_weighting: Literal["probe", "central_mask", "uniform"] = field(
        default="probe", doc="weight of a patch where the patches of a group are merged"
    )


@config
class RegularisationOptions:
    """Terms of the loss on the patches themselves."""

    amp_loss: ObjectTerm = field(default=None, doc="term on the amplitude; null has none")
    amp_loss_coeff: float = field(default=1.0, check=non_negative, doc="weight of the amplitude term")
    phase_loss: ObjectTerm = field(default=None, doc="term on the phase; null has none")
    phase_loss_coeff: float = field(default=1.0, check=non_negative, doc="weight of the phase term")


@config
class LabelOptions:
    """What supervised training compares."""

    loss: Literal["patches", "exit_waves"] = field(
        default="patches",
        doc="moduli and phases of patches as they are, or the exit waves that they make, up to one phase",
    )


def _stage_lengths(stages: "StageOptions") -> Iterator[Problem]:
    if stages.stage_1_epochs == 0 and stages.stage_2_epochs + stages.stage_3_epochs > 0:
        yield Problem("stage_1_epochs", "is 0, so there is no stage that 2 and 3 could follow")


@config(constraints=(_stage_lengths,))
class StageOptions:
    """Lengths and learning rates of the MultiStage and Adaptive schedules, and of fine-tuning."""

    stage_1_epochs: int = field(default=0, unit="epochs", check=non_negative, doc="full learning rate")
    stage_2_epochs: int = field(default=0, unit="epochs", check=non_negative, doc="transition")
    stage_3_epochs: int = field(default=0, unit="epochs", check=non_negative, doc="reduced learning rate")
    stage_3_lr_factor: float = field(
        default=0.1, check=between(0, 1), doc="last over first learning rate of the stages"
    )
    physics_weight_schedule: Literal["cosine", "linear"] = field(default="cosine", doc="shape of the transition")
    epochs_fine_tune: int = field(
        default=0, unit="epochs", check=non_negative, doc="epochs of fine-tuning with a frozen encoder"
    )
    fine_tune_gamma: float = field(
        default=0.1, check=positive, doc="learning rate of fine-tuning over that of training"
    )


@config
class StitchOptions:
    """How patches become one object."""

    illumination_floor: float = field(
        default=1e-3,
        check=between(0.0, 1.0),
        doc="pixels with less than this share of the peak illumination are left empty (1)",
    )
    patch_weighting: Literal["probe", "uniform"] | str = field(  # noqa: PYI051 - the names are for editors
        default="probe",
        check=part_name("probe", "uniform"),
        doc="weight of a pixel of a patch: its illumination (probe), 1 (uniform), or that of another package "
        "(package:name)",
    )
    varpro_scaling: bool = field(
        default=False, doc="fit one factor for the real and one for the imaginary part to the patterns"
    )
    window: int = field(default=0, unit="px", check=non_negative, doc="border left out of the pictures")


@config
class RecordOptions:
    """What is written down about a run besides its result."""

    experiment_name: str = field(default="ptycho", identity=False, doc="name of the experiment in a logger")
    notes: str = field(default="", identity=False, doc="free text kept with the run")
    log_grad_norm: bool = field(default=False, doc="log the norm of the gradient")
    grad_norm_log_freq: int = field(default=1, unit="steps", check=positive, doc="steps between two norms")
    log_patch_stats: bool = suggested(default=False, doc="log mean and spread of the predicted patches")
    patch_stats_limit: int | None = suggested(
        default=None, unit="batches", check=positive, doc="batches whose patches are logged; null logs all"
    )


@config
class TorchOptions:
    """All options of the PyTorch backend."""

    data: DataOptions = field(default=DataOptions(), doc="reading and splitting")
    scale: ScaleOptions = field(default=ScaleOptions(), inference="fixed", doc="units and scaling")
    grouping: GroupingOptions = field(default=GroupingOptions(), inference="own", doc="neighbours")
    net: Network = field(default=Cnn(), renamed={"primed": "unrolled"}, inference="fixed", doc="the network")
    forward: ForwardModel = field(
        default=Amplitude(), inference="fixed", doc="physics that the network is trained against"
    )
    overlap: OverlapOptions = field(default=OverlapOptions(), doc="agreement of neighbouring patches")
    regularisation: RegularisationOptions = field(default=RegularisationOptions(), doc="terms on the patches")
    labels: LabelOptions = field(default=LabelOptions(), doc="supervised training")
    stages: StageOptions = field(default=StageOptions(), doc="staged schedules and fine-tuning")
    fine_tune: FineTuneOptions = field(default=FineTuneOptions(), doc="staged fine-tuning")
    stitch: StitchOptions = suggested(default=StitchOptions(), doc="stitching")
    refine: RefineOptions = suggested(default=RefineOptions(), doc="improving the stitched object")
    record: RecordOptions = field(default=RecordOptions(), doc="what is written down")
