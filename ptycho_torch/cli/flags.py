"""Every flag of training and inference."""

import attrs

from ptycho_torch.cli.options import Flag, switch, value

RESULTS, TRAIN, DATA, MACHINE = "Scan and results", "Training", "Data", "Machine"
RECONSTRUCT, OPTIONS, LOOK, MESSAGES = "Reconstruction", "Options", "Look, and do nothing", "Messages"


def _common(group: str, *flags: Flag) -> tuple[Flag, ...]:
    """Flags that the help shows, in this group."""
    return tuple(attrs.evolve(flag, group=group) for flag in flags)


_DEVICE = value(
    "execution.accelerator",
    "--device",
    words={"cuda": "gpu"},
    deprecated="use --accelerator, which counts where both are given",
    rank=-1,
)
_DATA = _common(
    DATA,
    value("torch.scale.domain", "--measurement-domain"),
    value("torch.data.mask", "--mask"),
    switch("torch.data.fix_orientation", "--fix-orientation", "true"),
)


_TOO = (
    Flag(("--refine-probe", "--probe"), "torch.refine.refine_probe", text="true"),
    Flag(("--refine-positions", "--positions"), "torch.refine.refine_positions", text="true"),
)


def _machine(run: str) -> tuple[Flag, ...]:
    accelerator, seed = (value("execution.accelerator", "--accelerator"), value(f"{run}.subsample_seed", "--seed"))
    return _common(MACHINE, accelerator, seed)


def _model(run: str) -> tuple[Flag, ...]:
    return (
        switch(f"{run}.model.probe_mask", "--probe-mask", "true"),
        switch(f"{run}.model.probe_mask", "--no-probe-mask", "false"),
        value(f"{run}.model.probe_mask_sigma", "--probe-mask-sigma"),
        value(f"{run}.model.probe_mask_diameter", "--probe-mask-diameter"),
        value("scale_contract_version", "--scale-contract-version"),
        switch("torch.record.log_patch_stats", "--log-patch-stats", "true"),
        value("torch.record.patch_stats_limit", "--patch-stats-limit"),
        value("execution.num_workers", "--num-workers"),
        _DEVICE,
    )


TRAINING: tuple[Flag, ...] = (
    *_common(
        RESULTS, value("training.output_dir", "--output-dir"), value("training.test_data_file", "--test-data-file")
    ),
    *_common(
        TRAIN,
        value("training.nepochs", "--max-epochs"),
        value("training.batch_size", "--batch-size"),
        value("training.model.gridsize", "--gridsize"),
        value("architecture", "--architecture"),
        value("execution.learning_rate", "--learning-rate"),
    ),
    *_DATA,
    *_machine("training"),
    value("training.train_data_file", "--train-data-file"),
    value("training.n_groups", "--n-groups", "--n-images"),
    value("training.torch_loss_mode", "--torch-loss-mode"),
    value("training.scheduler", "--scheduler"),
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
    switch("execution.logger_backend", "--disable-mlflow", "null", deprecated="use --logger none", rank=1),
    value("training.train_data_file", "--ptycho-dir", deprecated="use --train_data_file"),
)

INFERENCE: tuple[Flag, ...] = (
    *_common(RESULTS, value("inference.output_dir", "--output-dir")),
    *_common(RECONSTRUCT, value("torch.refine.passes", "--refine-passes"), *_TOO),
    *_DATA,
    *_machine("inference"),
    value("inference.n_groups", "--n-groups", "--n-images"),
    value("execution.inference_batch_size", "--inference-batch-size"),
    value("torch.stitch.patch_weighting", "--patch-weighting"),
    switch("torch.stitch.varpro_scaling", "--varpro-scaling", "true"),
    *_model("inference"),
)

REFINEMENT: tuple[Flag, ...] = (
    *_common(RESULTS, value("inference.output_dir", "--output-dir")),
    *_common(RECONSTRUCT, value("torch.refine.passes", "--passes", "--refine-passes"), *_TOO),
    *_DATA,
    *_common(DATA, value("torch.data.position_origin", "--position-origin")),
    *_machine("inference"),
)
