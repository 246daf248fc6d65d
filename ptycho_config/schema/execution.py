"""How a run uses the machine. None of it changes what is computed or enters the legacy dict."""

from collections.abc import Iterator
from typing import Literal

from ptycho_config.errors import Problem
from ptycho_config.schema.base import config, field, suggested
from ptycho_config.schema.checks import non_negative, positive, positive_or_auto
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
class PyTorchExecutionConfig:
    """Devices, loaders, checkpoints and logs of a PyTorch run."""

    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps"] = field(
        default="auto", inference="own", doc="device; auto takes a GPU where there is one, when the run starts"
    )
    devices: int | Literal["auto"] = field(default=1, check=positive_or_auto, doc="number of devices")
    strategy: str = field(default="auto", doc="how several devices share the work")
    deterministic: bool | Literal["warn"] = field(default=True, doc="use deterministic kernels only")
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = field(
        default="32-true", resumable=False, doc="number format"
    )
    gradient_clip_val: float | None = field(
        default=None, check=positive, unread="use training.gradient_clip_val", doc="see training"
    )
    gradient_clip_algorithm: Literal["norm", "value", "agc"] = field(
        default="norm", unread="use training.gradient_clip_algorithm", doc="see training"
    )
    accum_steps: int = field(
        default=1, unit="batches", check=positive, resumable=False, doc="batches per optimiser step"
    )
    num_workers: int = field(default=0, unit="processes", check=non_negative, doc="loader processes")
    pin_memory: bool = field(default=False, doc="page-locked batches, for copies to a GPU")
    persistent_workers: bool = field(default=False, doc="keep loader processes between epochs")
    prefetch_factor: int | None = field(default=None, unit="batches", check=positive, doc="batches loaded ahead")
    learning_rate: float = field(
        default=1e-3, unit="1/step", check=positive, resumable=False, doc="first learning rate"
    )
    scheduler: str = field(default="Default", unread="use training.scheduler", doc="see training")
    enable_progress_bar: bool = field(default=False, inference="own", doc="show progress")
    enable_checkpointing: bool = field(default=True, doc="keep the best weights")
    checkpoint_save_top_k: int = field(default=1, check=non_negative, doc="best checkpoints kept")
    checkpoint_monitor_metric: Literal[
        "val_loss", "val_data", "val_overlap", "train_loss", "train_data", "train_overlap"
    ] = field(default="val_loss", doc="metric that decides what is best and when to stop")
    checkpoint_mode: Literal["min", "max"] = field(default="min", doc="whether small or large is best")
    early_stop_patience: int = field(
        default=100, unit="epochs", check=positive, doc="epochs without a better metric before stopping"
    )
    logger_backend: Literal["csv", "tensorboard", "mlflow"] | None = field(
        default="csv", doc="where metrics are logged; null logs nothing"
    )
    recon_log_every_n_epochs: int | None = field(
        default=None, unit="epochs", check=positive, doc="how often patches are logged"
    )
    recon_log_num_patches: int = field(default=4, check=positive, doc="patches logged")
    recon_log_fixed_indices: tuple[int, ...] | None = field(default=None, doc="patterns logged")
    recon_log_stitch: bool = field(default=False, doc="log the stitched object too")
    recon_log_max_stitch_samples: int | None = field(default=None, check=positive, doc="patterns stitched for a log")
    ffno_encoder_blocks: int = gone(default=24, check=positive, doc="blocks of the ffno encoder")
    ffno_encoder_modes: int = gone(default=12, check=positive, doc="modes of the ffno encoder")
    ffno_encoder_share_weights: bool = gone(default=True, doc="one spectral operator for all blocks")
    ffno_encoder_gate_init: float = gone(default=0.1, check=positive, doc="first value of the residual gate")
    ffno_encoder_norm: str = gone(default="instance", doc="normalisation of the ffno encoder")
    ffno_encoder_mlp_ratio: float = gone(default=2.0, check=positive, doc="hidden over outer channels")
    spectral_bottleneck_blocks: int = gone(default=6, check=positive, doc="blocks of the bottleneck")
    spectral_bottleneck_modes: int = gone(default=12, check=positive, doc="modes of the bottleneck")
    spectral_bottleneck_share_weights: bool = gone(default=True, doc="one spectral operator for all blocks")
    spectral_bottleneck_gate_init: float = gone(default=0.1, doc="first value of the residual gate")
    spectral_bottleneck_gate_mode: Literal["shared", "per_block"] = gone(
        default="shared", doc="one gate or one per block"
    )
    inference_batch_size: int | None = suggested(
        default=None, unit="groups", check=positive, doc="groups per inference step; null takes the batch size"
    )
    middle_trim: int = suggested(default=0, unit="px", check=non_negative, doc="centre of a patch that is stitched")
    pad_eval: bool = suggested(
        default=False, doc="keep N/2 px of vacuum around the stitched object, room to shift it in"
    )
