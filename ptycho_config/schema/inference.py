"""The scan that a trained network reconstructs, and the folder for results."""

from pathlib import Path
from typing import Literal

from ptycho_config.schema.base import config
from ptycho_config.schema.checks import non_negative, positive
from ptycho_config.schema.fields import field, option, suggested
from ptycho_config.schema.given import Given
from ptycho_config.schema.model import ModelConfig


@config
class InferenceConfig(Given):
    """An inference run: bundle, scan, how much of it, where results go."""

    model: ModelConfig = option(ModelConfig(), "network and physics, as trained", inference="fixed")
    model_path: Path = field(identity=False, doc="folder that holds wts.h5.zip, or the archive itself")
    test_data_file: Path = field(identity=False, doc="scan to reconstruct")
    n_groups: int | None = option(None, "groups to reconstruct; null: one per pattern", unit="groups", check=positive)
    n_images: int | None = option(None, "older name of n_groups", unit="groups", check=positive, unread="use n_groups")
    n_subsample: int | None = option(None, "patterns kept before grouping; null: all", unit="patterns", check=positive)
    subsample_seed: int | None = suggested(
        None, "seed of the choice of groups; null draws one and records it", check=non_negative
    )
    neighbor_count: int = suggested(4, "nearest neighbours that a group draws from", unit="patterns", check=positive)
    enable_oversampling: bool = option(False, "allow several groups per pattern")
    neighbor_pool_size: int | None = suggested(None, "neighbours to oversample from", unit="patterns", check=positive)
    debug: bool = option(False, "show tracebacks of errors", unread="is a flag of the commands: use --debug")
    output_dir: Path = option(Path("inference_outputs"), "folder for results", identity=False)
    backend: Literal["tensorflow", "pytorch"] = option("tensorflow", "library that runs the job")
