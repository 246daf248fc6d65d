"""Use of the machine by a run. None of it changes what is computed or enters the legacy dict."""

from collections.abc import Iterator
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config
from ptycho_config.schema.checks import non_negative, positive, positive_or_auto
from ptycho_config.schema.fields import option, suggested
from ptycho_config.schema.given import Given
from ptycho_config.schema.model import gone


def _workers(execution: "PyTorchExecutionConfig") -> Iterator[Problem]:
    if execution.num_workers > 0:
        return
    hint = "set num_workers above 0 or leave it out"
    if execution.persistent_workers:
        yield Problem("persistent_workers", "needs loader processes, but num_workers is 0", hint=hint)
    if execution.prefetch_factor is not None:
        yield Problem("prefetch_factor", "needs loader processes, but num_workers is 0", hint=hint)


@config(constraints=(_workers,))
class PyTorchExecutionConfig(Given):
    """Devices, loaders, checkpoints and logs of a PyTorch run."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = option(
        "auto", "device; auto takes a GPU where there is one, when the run starts", inference="own"
    )
    devices: int | Literal["auto"] = option(
        1,
        "number of devices",
        check=positive_or_auto,
        at_inference="an inference uses one device, which execution.accelerator chooses",
    )
    strategy: str = option("auto", "how several devices share the work", at_inference="an inference uses one device")
    deterministic: bool | Literal["warn"] = option(True, "use deterministic kernels only")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = option(
        "32-true", "number format", resumable=False, at_inference="an inference computes in single precision"
    )
    gradient_clip_val: float | None = option(
        None, "see training", check=positive, unread="use training.gradient_clip_val"
    )
    gradient_clip_algorithm: Literal["norm", "value", "agc"] = option(
        "norm", "see training", unread="use training.gradient_clip_algorithm"
    )
    accum_steps: int = option(1, "batches per optimiser step", unit="batches", check=positive, resumable=False)
    num_workers: int = option(0, "loader processes", unit="processes", check=non_negative)
    pin_memory: bool = option(False, "page-locked batches, for copies to a GPU")
    persistent_workers: bool = option(False, "keep loader processes between epochs")
    prefetch_factor: int | None = option(None, "batches loaded ahead", unit="batches", check=positive)
    learning_rate: float = option(1e-3, "first learning rate", unit="1/step", check=positive, resumable=False)
    scheduler: str = option("Default", "see training", unread="use training.scheduler")
    enable_progress_bar: bool = option(False, "show progress", inference="own")
    enable_checkpointing: bool = option(True, "keep the best weights")
    checkpoint_save_top_k: int = option(1, "best checkpoints kept", check=non_negative)
    checkpoint_monitor_metric: Literal[
        "val_loss", "val_data", "val_overlap", "train_loss", "train_data", "train_overlap"
    ] = option("val_loss", "metric that decides what is best and when to stop")
    checkpoint_mode: Literal["min", "max"] = option("min", "whether small or large is best")
    early_stop_patience: int = option(100, "epochs without progress before stopping", unit="epochs", check=positive)
    logger_backend: Literal["csv", "tensorboard", "mlflow"] | None = option(
        "csv", "where metrics are logged; null logs nothing"
    )
    recon_log_every_n_epochs: int | None = option(None, "how often patches are logged", unit="epochs", check=positive)
    recon_log_num_patches: int = option(4, "patches logged", check=positive)
    recon_log_fixed_indices: tuple[int, ...] | None = option(None, "patterns logged")
    recon_log_stitch: bool = option(False, "log the stitched object too")
    recon_log_max_stitch_samples: int | None = option(None, "patterns stitched for a log", check=positive)
    ffno_encoder_blocks: int = gone(24, "blocks of the ffno encoder", check=positive)
    ffno_encoder_modes: int = gone(12, "modes of the ffno encoder", check=positive)
    ffno_encoder_share_weights: bool = gone(True, "one spectral operator for all blocks")
    ffno_encoder_gate_init: float = gone(0.1, "first value of the residual gate", check=positive)
    ffno_encoder_norm: str = gone("instance", "normalisation of the ffno encoder")
    ffno_encoder_mlp_ratio: float = gone(2.0, "hidden over outer channels", check=positive)
    spectral_bottleneck_blocks: int = gone(6, "blocks of the bottleneck", check=positive)
    spectral_bottleneck_modes: int = gone(12, "modes of the bottleneck", check=positive)
    spectral_bottleneck_share_weights: bool = gone(True, "one spectral operator for all blocks")
    spectral_bottleneck_gate_init: float = gone(0.1, "first value of the residual gate")
    spectral_bottleneck_gate_mode: Literal["shared", "per_block"] = gone("shared", "one gate or one per block")
    inference_batch_size: int | None = suggested(
        None, "groups per inference step; null takes the batch size", unit="groups", check=positive
    )
    middle_trim: int = suggested(0, "centre of a patch that is stitched", unit="px", check=non_negative)
    pad_eval: bool = suggested(False, "keep N/2 px of vacuum around the stitched object, room to shift it in")
