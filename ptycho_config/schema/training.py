"""What is learned from, by which loss, for how long."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field
from ptycho_config.schema.checks import between, non_negative, part_name, positive, power_of_two
from ptycho_config.schema.model import ModelConfig

_tensorflow = functools.partial(
    field, unread="is read by the TensorFlow backend only; here torch_loss_mode names the one loss of the patterns"
)


def _realspace_weights(training: "TrainingConfig") -> Iterator[Problem]:
    if training.realspace_mae_weight > 0 and training.realspace_weight == 0:
        yield Problem(
            "realspace_mae_weight",
            "has no effect while realspace_weight is 0",
            hint="set realspace_weight above 0 or realspace_mae_weight to 0",
        )


@config(constraints=(_realspace_weights,))
class TrainingConfig:
    """A training run: files, groups, loss, optimiser and schedule."""

    model: ModelConfig = field(default=ModelConfig(), doc="network and physics")
    train_data_file: Path | None = field(default=None, identity=False, doc="scan to train on, or a folder of scans")
    test_data_file: Path | None = field(
        default=None, identity=False, doc="scan to validate on; null holds back a part of the training scan"
    )
    batch_size: int = field(default=16, unit="groups", check=power_of_two, doc="groups per step")
    nepochs: int = field(default=50, unit="epochs", check=positive, resumable=True, doc="passes over the groups")
    mae_weight: float = _tensorflow(default=0.0, check=between(0, 1), doc="weight of the pattern MAE")
    nll_weight: float = _tensorflow(default=1.0, check=between(0, 1), doc="weight of the Poisson likelihood")
    realspace_mae_weight: float = _tensorflow(default=0.0, check=non_negative, doc="weight of the object MAE")
    realspace_weight: float = _tensorflow(default=0.0, check=non_negative, doc="weight of the object terms")
    nphotons: float = field(
        default=1e9,
        unit="photons",
        check=positive,
        doc="expected photons per pattern, for the legacy dict; the likelihood does not depend on it",
    )
    n_groups: int | None = field(
        default=None, unit="groups", check=positive, doc="groups per epoch; null makes one per pattern"
    )
    n_images: int | None = field(
        default=None, unit="groups", check=positive, unread="use n_groups", doc="older name of n_groups"
    )
    n_subsample: int | None = field(
        default=None, unit="patterns", check=positive, doc="patterns kept before grouping; null keeps all"
    )
    subsample_seed: int | None = field(
        default=None,
        check=non_negative,
        doc="seed of weights, grouping and shuffling; null draws one and records it in the run",
    )
    neighbor_count: int = field(
        default=4, unit="patterns", check=positive, doc="nearest neighbours a group draws its members from"
    )
    enable_oversampling: bool = field(default=False, doc="allow several groups per pattern")
    neighbor_pool_size: int | None = field(
        default=None, unit="patterns", check=positive, doc="neighbours that oversampling combines"
    )
    positions_provided: bool = field(
        default=True, unread="scans without positions cannot be reconstructed", doc="the file holds scan positions"
    )
    probe_trainable: bool = field(default=False, doc="optimise the probe too")
    intensity_scale_trainable: bool = field(default=True, doc="optimise the intensity scale too")
    output_dir: Path = field(default=Path("training_outputs"), identity=False, doc="folder for results")
    sequential_sampling: bool = field(default=False, doc="take groups in scan order instead of at random")
    backend: Literal["tensorflow", "pytorch"] = field(default="tensorflow", doc="library that runs the job")
    torch_loss_mode: Literal["poisson", "mae"] | str = field(  # noqa: PYI051 - the names are for editors
        default="poisson",
        check=part_name("poisson", "mae"),
        doc="poisson: likelihood of the counts; mae: mean absolute amplitude error; package:name: loss of "
        "another package",
    )
    torch_mae_pred_l2_match_target: bool = field(
        default=False, doc="scale the prediction to the energy of the target before the MAE"
    )
    gradient_clip_val: float | None = field(default=None, check=positive, doc="gradient limit; null does not clip")
    gradient_clip_algorithm: Literal["norm", "value", "agc"] = field(default="norm", doc="what the limit applies to")
    optimizer: Literal["adam", "adamw", "sgd"] = field(default="adam", doc="optimiser")
    momentum: float = field(default=0.9, check=between(0, 1), doc="momentum of sgd")
    weight_decay: float = field(default=0.0, check=non_negative, doc="weight decay")
    adam_beta1: float = field(default=0.9, check=between(0, 1), doc="first-moment decay of Adam")
    adam_beta2: float = field(default=0.999, check=between(0, 1), doc="second-moment decay of Adam")
    scheduler: Literal["Default", "Exponential", "WarmupCosine", "ReduceLROnPlateau", "MultiStage", "Adaptive"] = field(
        default="Default", doc="learning-rate schedule; Default is constant"
    )
    lr_warmup_epochs: int = field(default=0, unit="epochs", check=non_negative, doc="linear warm-up")
    lr_min_ratio: float = field(default=0.1, check=between(0, 1), doc="last over first learning rate of the cosine")
    plateau_factor: float = field(default=0.5, check=between(0, 1), doc="factor at a plateau")
    plateau_patience: int = field(default=2, unit="epochs", check=non_negative, doc="epochs without progress")
    plateau_min_lr: float = field(default=5e-5, check=non_negative, doc="lowest learning rate of the plateau")
    plateau_threshold: float = field(default=0.0, check=non_negative, doc="progress that counts as progress")
