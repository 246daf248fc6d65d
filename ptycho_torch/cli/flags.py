"""Every flag of training and inference."""

from ptycho_torch.cli.options import Flag, switch, value

_DEVICE = value(
    "execution.accelerator",
    "--device",
    words={"cuda": "gpu"},
    deprecated="use --accelerator, which counts where both are given",
    rank=-1,
)


def _model(run: str) -> tuple[Flag, ...]:
    return (
        switch(f"{run}.model.probe_mask", "--probe-mask", "true"),
        switch(f"{run}.model.probe_mask", "--no-probe-mask", "false"),
        value(f"{run}.model.probe_mask_sigma", "--probe-mask-sigma"),
        value(f"{run}.model.probe_mask_diameter", "--probe-mask-diameter"),
        value("scale_contract_version", "--scale-contract-version"),
        value("torch.scale.domain", "--measurement-domain"),
        value("torch.data.mask", "--mask"),
        switch("torch.data.fix_orientation", "--fix-orientation", "true"),
        switch("torch.record.log_patch_stats", "--log-patch-stats", "true"),
        value("torch.record.patch_stats_limit", "--patch-stats-limit"),
        value("execution.accelerator", "--accelerator"),
        value("execution.num_workers", "--num-workers"),
        _DEVICE,
    )


TRAINING: tuple[Flag, ...] = (
    value("training.train_data_file", "--train_data_file"),
    value("training.test_data_file", "--test_data_file"),
    value("training.output_dir", "--output_dir"),
    value("training.nepochs", "--max_epochs"),
    value("training.n_groups", "--n_groups", "--n_images"),
    value("training.model.gridsize", "--gridsize"),
    value("training.batch_size", "--batch_size"),
    value("architecture", "--architecture"),
    value("training.torch_loss_mode", "--torch-loss-mode"),
    value("training.scheduler", "--scheduler"),
    value("execution.learning_rate", "--learning-rate"),
    value("execution.accum_steps", "--accumulate-grad-batches"),
    switch("execution.deterministic", "--deterministic", "true"),
    switch("execution.deterministic", "--no-deterministic", "false"),
    value("execution.logger_backend", "--logger", words={"none": "null"}),
    switch("execution.enable_checkpointing", "--enable-checkpointing", "true"),
    switch("execution.enable_checkpointing", "--disable-checkpointing", "false"),
    value("execution.checkpoint_save_top_k", "--checkpoint-save-top-k"),
    value("execution.checkpoint_monitor_metric", "--checkpoint-monitor"),
    value("execution.checkpoint_mode", "--checkpoint-mode"),
    value("execution.early_stop_patience", "--early-stop-patience"),
    *_model("training"),
    switch("execution.logger_backend", "--disable_mlflow", "null", deprecated="use --logger none", rank=1),
    value("training.train_data_file", "--ptycho_dir", deprecated="use --train_data_file"),
)

INFERENCE: tuple[Flag, ...] = (
    value("inference.output_dir", "--output_dir"),
    value("inference.n_groups", "--n_groups", "--n_images"),
    value("execution.inference_batch_size", "--inference-batch-size"),
    value("torch.stitch.patch_weighting", "--patch-weighting"),
    switch("torch.stitch.varpro_scaling", "--varpro-scaling", "true"),
    value("torch.refine.passes", "--refine-passes"),
    *_model("inference"),
)
