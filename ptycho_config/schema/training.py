"""Options of a training: data, loss, optimiser and schedule."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import between, non_negative, part_name, positive, power_of_two
from ptycho_config.schema.fields import option
from ptycho_config.schema.given import Given
from ptycho_config.schema.model import ModelConfig
from ptycho_config.schema.scalars import EntryPoint

_tensorflow = functools.partial(
    option, unread="is read by the TensorFlow backend only; here torch_loss_mode names the one loss of the patterns"
)


def _realspace_weights(training: "TrainingConfig") -> Iterator[Problem]:
    if training.realspace_mae_weight > 0 and training.realspace_weight == 0:
        yield Problem(
            "realspace_mae_weight",
            "has no effect while realspace_weight is 0",
            hint="set realspace_weight above 0 or realspace_mae_weight to 0",
        )


@config(constraints=(_realspace_weights,))
class TrainingConfig(Given):
    """A training run: files, groups, loss, optimiser and schedule."""

    model: ModelConfig = option(ModelConfig(), "network and physics")
    train_data_file: Path | None = option(None, "scan to train on, or a folder of scans", identity=False)
    test_data_file: Path | None = option(
        None, "scan to validate on; null holds back a part of the training scan", identity=False
    )
    batch_size: int = option(16, "groups per step", unit="groups", check=power_of_two)
    nepochs: int = option(50, "passes over the groups", unit="epochs", check=positive, resumable=True)
    mae_weight: float = _tensorflow(0.0, "weight of the pattern MAE", check=between(0, 1))
    nll_weight: float = _tensorflow(1.0, "weight of the Poisson likelihood", check=between(0, 1))
    realspace_mae_weight: float = _tensorflow(0.0, "weight of the object MAE", check=non_negative)
    realspace_weight: float = _tensorflow(0.0, "weight of the object terms", check=non_negative)
    nphotons: float = option(
        1e9,
        "expected photons per pattern, for the legacy dict; the likelihood does not depend on it",
        unit="photons",
        check=positive,
    )
    n_groups: int | None = option(None, "groups per epoch; null: one per pattern", unit="groups", check=positive)
    n_images: int | None = option(None, "older name of n_groups", unit="groups", check=positive, unread="use n_groups")
    n_subsample: int | None = option(None, "patterns kept before grouping; null: all", unit="patterns", check=positive)
    subsample_seed: int | None = option(
        None, "seed of weights, grouping and shuffling; null draws one and records it in the run", check=non_negative
    )
    neighbor_count: int = option(4, "nearest neighbours that a group draws from", unit="patterns", check=positive)
    enable_oversampling: bool = option(False, "allow several groups per pattern")
    neighbor_pool_size: int | None = option(None, "neighbours to oversample from", unit="patterns", check=positive)
    positions_provided: bool = option(
        True, "the file holds scan positions", unread="scans without positions cannot be reconstructed"
    )
    probe_trainable: bool = option(False, "optimise the probe too")
    intensity_scale_trainable: bool = option(True, "optimise the intensity scale too")
    output_dir: Path = option(Path("training_outputs"), "folder for results", identity=False)
    sequential_sampling: bool = option(False, "take groups in scan order instead of at random")
    backend: Literal["tensorflow", "pytorch"] = option("tensorflow", "library that runs the job")
    torch_loss_mode: Literal["poisson", "mae"] | EntryPoint = option(
        "poisson",
        "poisson: likelihood of the counts; mae: mean absolute amplitude error; package:name: loss of another package",
        check=part_name("poisson", "mae"),
    )
    torch_mae_pred_l2_match_target: bool = option(False, "scale predictions to the energy of the target before the MAE")
    gradient_clip_val: float | None = option(None, "gradient limit; null does not clip", check=positive)
    gradient_clip_algorithm: Literal["norm", "value", "agc"] = option("norm", "what the limit applies to")
    optimizer: Literal["adam", "adamw", "sgd"] = option("adam", "optimiser")
    momentum: float = option(0.9, "momentum of sgd", check=between(0, 1))
    weight_decay: float = option(0.0, "weight decay", check=non_negative)
    adam_beta1: float = option(0.9, "first-moment decay of Adam", check=between(0, 1))
    adam_beta2: float = option(0.999, "second-moment decay of Adam", check=between(0, 1))
    scheduler: Literal["Default", "Exponential", "WarmupCosine", "ReduceLROnPlateau", "MultiStage", "Adaptive"] = (
        option("Default", "learning-rate schedule; Default is constant")
    )
    lr_warmup_epochs: int = option(0, "linear warm-up", unit="epochs", check=non_negative)
    lr_min_ratio: float = option(0.1, "last over first learning rate of the cosine", check=between(0, 1))
    plateau_factor: float = option(0.5, "factor at a plateau", check=between(0, 1))
    plateau_patience: int = option(2, "epochs without progress", unit="epochs", check=non_negative)
    plateau_min_lr: float = option(5e-5, "lowest learning rate of the plateau", check=non_negative)
    plateau_threshold: float = option(0.0, "smallest improvement that counts as progress", check=non_negative)
