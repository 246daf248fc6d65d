"""What a trained network is applied to."""

from pathlib import Path
from typing import Literal

from ptycho_config.schema.base import config, field, suggested
from ptycho_config.schema.checks import non_negative, positive
from ptycho_config.schema.model import ModelConfig


@config
class InferenceConfig:
    """An inference run: bundle, scan, how much of it, where results go."""

    model: ModelConfig = field(default=ModelConfig(), inference="fixed", doc="network and physics, as trained")
    model_path: Path = field(identity=False, doc="folder that holds wts.h5.zip, or the archive itself")
    test_data_file: Path = field(identity=False, doc="scan to reconstruct")
    n_groups: int | None = field(
        default=None, unit="groups", check=positive, doc="groups to reconstruct; null makes one per pattern"
    )
    n_images: int | None = field(
        default=None, unit="groups", check=positive, unread="use n_groups", doc="older name of n_groups"
    )
    n_subsample: int | None = field(
        default=None, unit="patterns", check=positive, doc="patterns kept before grouping; null keeps all"
    )
    subsample_seed: int | None = suggested(
        default=None, check=non_negative, doc="seed of the choice of groups; null draws one and records it"
    )
    neighbor_count: int = suggested(
        default=4, unit="patterns", check=positive, doc="nearest neighbours a group draws its members from"
    )
    enable_oversampling: bool = field(default=False, doc="allow several groups per pattern")
    neighbor_pool_size: int | None = suggested(
        default=None, unit="patterns", check=positive, doc="neighbours that oversampling combines"
    )
    debug: bool = field(default=False, unread="is a flag of the commands: use --debug", doc="show tracebacks of errors")
    output_dir: Path = field(default=Path("inference_outputs"), identity=False, doc="folder for results")
    backend: Literal["tensorflow", "pytorch"] = field(default="tensorflow", doc="library that runs the job")
