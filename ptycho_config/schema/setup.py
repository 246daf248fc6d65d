"""The two roots: everything one training or one inference run is configured by."""

from collections.abc import Iterator
from typing import ClassVar

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.execution import PyTorchExecutionConfig
from ptycho_config.schema.fields import field, option
from ptycho_config.schema.forward import RectangularScaled
from ptycho_config.schema.grouping import FourQuadrant
from ptycho_config.schema.inference import InferenceConfig
from ptycho_config.schema.model import ModelConfig
from ptycho_config.schema.networks import External, NeuralopUno, Sees
from ptycho_config.schema.specs import kind_of
from ptycho_config.schema.torch_options import TorchOptions
from ptycho_config.schema.training import TrainingConfig


def _shared_pairs(run: TrainingConfig | InferenceConfig, torch: TorchOptions, where: str) -> Iterator[Problem]:
    model, kind = run.model, kind_of(type(torch.net))
    if kind != model.architecture:
        message = f"is {kind!r}, but {where}.architecture is {model.architecture!r}"
        yield Problem("torch.net", message, hint=f"set architecture={model.architecture}, which sets both")
    if isinstance(torch.net, External) and torch.net.name is None:
        message = "is required: the network as 'package:name'"
        yield Problem("torch.net.name", message, hint="or set another architecture")
    if isinstance(torch.forward, RectangularScaled):
        yield from _forward_pair(torch, model)
    if isinstance(torch.grouping.neighbors, FourQuadrant) and model.gridsize != 2:
        message = f"takes one member of each quadrant, so gridsize is 2, not {model.gridsize}"
        yield Problem("torch.grouping.neighbors", message)


def _forward_pair(torch: TorchOptions, model: ModelConfig) -> Iterator[Problem]:
    option = torch.net.output_mode
    owner = torch.net if hasattr(torch.net, option) else model
    if option and getattr(owner, option) != "real_imag":
        message = "scales real and imaginary part, but the network gives amplitude and phase"
        hint = f"set {'torch.net.' if owner is torch.net else ''}{option}=real_imag"
        yield Problem("torch.forward", message, hint=hint)
    if model.model_type != "pinn":
        yield Problem("torch.forward", "is for training without labels; supervised training has no forward model")


def _trim(execution: PyTorchExecutionConfig, model: ModelConfig) -> Iterator[Problem]:
    if execution.middle_trim > model.N:
        message = f"{execution.middle_trim} px are more than a patch has: patterns have {model.N} px"
        yield Problem("execution.middle_trim", message, hint="set it to 0 to keep whole patches")


def _training_pairs(setup: "TrainingSetup") -> Iterator[Problem]:
    model, torch, loss = setup.training.model, setup.torch, setup.training.torch_loss_mode
    yield from _trim(setup.execution, model)
    yield from _shared_pairs(setup.training, torch, "training.model")
    found = (model.N, model.gridsize, model.generator_output_mode)
    if isinstance(torch.net, NeuralopUno) and found != (128, 1, "real_imag"):
        message = f"'neuralop_uno' has N 128, gridsize 1 and generator_output_mode 'real_imag', got {found}"
        yield Problem("training.model.architecture", message)
    counts = isinstance(torch.forward, RectangularScaled) and torch.scale.domain == "count_intensity"
    if counts and loss != "poisson":
        yield Problem(
            "training.torch_loss_mode",
            "photon counts (contract ci_intensity_v2) with the forward model 'rectangular_scaled' have the "
            f"likelihood 'poisson', got {loss!r}",
            hint="set training.torch_loss_mode=poisson, or another forward model or domain",
        )


def _inference_pairs(setup: "InferenceSetup") -> Iterator[Problem]:
    yield from _trim(setup.execution, setup.inference.model)
    yield from _shared_pairs(setup.inference, setup.torch, "inference.model")


def _stage_pairs(setup: "TrainingSetup") -> Iterator[Problem]:
    stages, scheduler = setup.torch.stages, setup.training.scheduler
    lengths = (stages.stage_1_epochs, stages.stage_2_epochs, stages.stage_3_epochs)
    in_stages = scheduler in ("MultiStage", "Adaptive")
    if in_stages and stages.stage_1_epochs == 0:
        message = f"{scheduler!r} has stages, but torch.stages.stage_1_epochs is 0"
        hint = "set the lengths of the stages, or another scheduler"
        yield Problem("training.scheduler", message, hint=hint)
    if not in_stages and any(lengths):
        message = f"{lengths} epochs would have no effect: training.scheduler is {scheduler!r}"
        hint = "set training.scheduler to MultiStage or Adaptive"
        yield Problem("torch.stages.stage_1_epochs", message, hint=hint)


def _overlap_pair(setup: "TrainingSetup") -> Iterator[Problem]:
    overlap = setup.torch.overlap
    if overlap.weight > 0 and setup.training.model.gridsize**2 + overlap.partners < 2:
        message = "compares patches of a cluster, but gridsize 1 without partners has one pattern per cluster"
        yield Problem("torch.overlap.weight", message, hint="set torch.overlap.partners to 1 or more")


def _network_pairs(setup: "TrainingSetup") -> Iterator[Problem]:
    net = setup.torch.net
    if net.sees is not None:
        yield from network_problems(setup.torch, setup.training.model, net.sees, fixes_scale=net.fixes_scale)


def network_problems(torch: TorchOptions, model: ModelConfig, sees: Sees, *, fixes_scale: bool) -> Iterator[Problem]:
    """Options of `torch` and `model` that cannot go with a network.

    sees: whole groups, patterns one by one, or one object of all patterns; fixes_scale: it compares its
    input with the probe. An external network states both, so that they are known once it is built.
    """
    yield from _partner_problems(torch, model, sees)
    if not fixes_scale:
        return
    message = f"cannot be: the network {model.architecture!r} compares its input with the probe, which fixes the scale"
    if torch.scale.normalize != "Batch":
        yield Problem("torch.scale.normalize", f"{torch.scale.normalize!r} {message}", hint="use Batch")
    if torch.scale.data_scaling == "Max":
        yield Problem("torch.scale.data_scaling", f"'Max' {message}", hint="use Parseval")


def _partner_problems(torch: TorchOptions, model: ModelConfig, sees: Sees) -> Iterator[Problem]:
    weight, partners, merge = torch.overlap.weight, torch.overlap.partners, torch.overlap.merge_weighting
    stitched = "patches, but those of a stitched network are cut from one object and agree"
    if sees == "object" and weight > 0:
        hint = "set torch.overlap.weight=0, or torch.net.stitched=false"
        yield Problem("torch.overlap.weight", f"compares {stitched}", hint=hint)
    if sees == "object" and merge != "probe":
        hint = "leave it at 'probe', or set torch.net.stitched=false"
        yield Problem("torch.overlap.merge_weighting", f"merges {stitched}", hint=hint)
    if sees != "object" and weight == 0 and partners > 0:
        message = f"{partners} neighbours would be loaded and never compared: torch.overlap.weight is 0"
        yield Problem("torch.overlap.partners", message, hint="set torch.overlap.weight above 0")
    if sees == "group" and model.gridsize > 1 and partners > 0:
        yield Problem(
            "torch.overlap.partners",
            f"{partners} partners cannot join groups of gridsize {model.gridsize}: the network "
            f"{model.architecture!r} sees whole groups",
            hint="set torch.overlap.partners and torch.overlap.weight to 0, or gridsize to 1",
        )


def _label_pairs(setup: "TrainingSetup") -> Iterator[Problem]:
    if setup.training.model.model_type != "supervised":
        if setup.torch.labels.loss != "patches":
            message = f"{setup.torch.labels.loss!r} compares with labels, model_type is 'pinn'"
            yield Problem("torch.labels.loss", message, hint="set training.model.model_type=supervised")
        return
    message = "would have no effect: supervised training compares objects, not patterns"
    if setup.torch.overlap.weight > 0:
        yield Problem("torch.overlap.weight", f"{setup.torch.overlap.weight} {message}", hint="set it to 0")
    if setup.training.probe_trainable:
        yield Problem("training.probe_trainable", f"true {message}", hint="use model_type 'pinn'")


def _run_pairs(setup: "TrainingSetup") -> Iterator[Problem]:
    training, partners = setup.training, setup.torch.overlap.partners
    if training.torch_mae_pred_l2_match_target and training.torch_loss_mode != "mae":
        message = f"belongs to the loss 'mae', torch_loss_mode is {training.torch_loss_mode!r}"
        yield Problem("training.torch_mae_pred_l2_match_target", message)
    if training.gradient_clip_algorithm == "agc" and training.gradient_clip_val is None:
        yield Problem("training.gradient_clip_algorithm", "'agc' needs a limit", hint="set training.gradient_clip_val")
    others = training.model.gridsize**2 - 1
    if training.neighbor_count < others + partners:
        yield Problem(
            "training.neighbor_count",
            f"{training.neighbor_count} neighbours cannot give a group {others} further members "
            f"(gridsize {training.model.gridsize}) and {partners} partners",
            hint=f"raise neighbor_count to {others + partners}, or lower gridsize or torch.overlap.partners",
        )
    validates = training.test_data_file is not None or setup.torch.data.validation_fraction > 0
    if training.scheduler == "ReduceLROnPlateau" and not validates:
        hint = "set torch.data.validation_fraction above 0 or training.test_data_file"
        yield Problem("training.scheduler", "'ReduceLROnPlateau' watches a validation loss; there is none", hint=hint)


_TRAINING = (_training_pairs, _stage_pairs, _overlap_pair, _network_pairs, _label_pairs, _run_pairs)


@config(constraints=_TRAINING)
class TrainingSetup:
    """Configuration of a training run."""

    SCHEMA: ClassVar[str] = "ptycho.training/5"
    VOCABULARY: ClassVar[str] = "ptycho_config.vocabulary.aliases:vocabulary"

    training: TrainingConfig = option(TrainingConfig(), "what is learned", inference="ignored")
    execution: PyTorchExecutionConfig = option(
        PyTorchExecutionConfig(), "use of the machine", inference="ignored", resumable=True
    )
    torch: TorchOptions = option(TorchOptions(), "options of this backend", inference="ignored")


@config(constraints=(_inference_pairs,))
class InferenceSetup:
    """Configuration of an inference run."""

    SCHEMA: ClassVar[str] = "ptycho.inference/4"
    VOCABULARY: ClassVar[str] = "ptycho_config.vocabulary.aliases:vocabulary"

    inference: InferenceConfig = field(inference="own", doc="what is reconstructed")
    execution: PyTorchExecutionConfig = option(
        PyTorchExecutionConfig(), "use of the machine", inference="ignored", resumable=True
    )
    torch: TorchOptions = option(TorchOptions(), "options of this backend, as trained", inference="ignored")
