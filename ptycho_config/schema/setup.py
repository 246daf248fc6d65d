"""The two roots: everything one training or one inference run is configured by."""

from collections.abc import Iterator
from typing import ClassVar

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field
from ptycho_config.schema.execution import PyTorchExecutionConfig
from ptycho_config.schema.inference import InferenceConfig
from ptycho_config.schema.torch_options import TorchOptions
from ptycho_config.schema.training import TrainingConfig


def _overlap_pair(setup: "TrainingSetup") -> Iterator[Problem]:
    overlap = setup.torch.overlap
    cluster = setup.training.model.gridsize**2 + overlap.partners
    if overlap.weight > 0 and cluster < 2:
        yield Problem(
            "torch.overlap.weight",
            "compares patches of a cluster, but gridsize 1 without partners has one pattern per cluster",
            hint="set torch.overlap.partners to 1 or more",
        )
    if overlap.weight == 0 and overlap.partners > 0:
        yield Problem(
            "torch.overlap.partners",
            f"{overlap.partners} neighbours would be loaded and never compared: torch.overlap.weight is 0",
            hint="set torch.overlap.weight above 0",
        )


def _enough_neighbours(setup: "TrainingSetup") -> Iterator[Problem]:
    others, partners = setup.training.model.gridsize**2 - 1, setup.torch.overlap.partners
    if setup.training.neighbor_count < others + partners:
        yield Problem(
            "training.neighbor_count",
            f"{setup.training.neighbor_count} neighbours cannot give a group {others} further members "
            f"(gridsize {setup.training.model.gridsize}) and {partners} partners",
            hint=f"raise neighbor_count to {others + partners}, or lower gridsize or torch.overlap.partners",
        )


def _validation_needed(setup: "TrainingSetup") -> Iterator[Problem]:
    if setup.training.test_data_file is not None or setup.torch.data.validation_fraction > 0:
        return
    hint = "set torch.data.validation_fraction above 0 or training.test_data_file"
    if setup.training.scheduler == "ReduceLROnPlateau":
        yield Problem(
            "training.scheduler", "'ReduceLROnPlateau' watches a validation loss; there is none", hint=hint
        )


@config(constraints=(_overlap_pair, _enough_neighbours, _validation_needed))
class TrainingSetup:
    """Configuration of a training run."""

    SCHEMA: ClassVar[str] = "ptycho.training/1"

    training: TrainingConfig = field(default=TrainingConfig(), doc="what is learned")
    execution: PyTorchExecutionConfig = field(default=PyTorchExecutionConfig(), doc="use of the machine")
    torch: TorchOptions = field(default=TorchOptions(), doc="options of this backend")


@config
class InferenceSetup:
    """Configuration of an inference run."""

    SCHEMA: ClassVar[str] = "ptycho.inference/1"

    inference: InferenceConfig = field(doc="what is reconstructed")
    execution: PyTorchExecutionConfig = field(default=PyTorchExecutionConfig(), doc="use of the machine")
    torch: TorchOptions = field(default=TorchOptions(), doc="options of this backend, as trained")
