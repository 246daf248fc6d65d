"""The flat torch-side classes of the replaced system, each field with its place in the schema.

They are a foreign vocabulary: mutable, unchecked, and used by programs that know no other.
`from_flat` turns them into changes of a setup, `to_flat` writes a setup in their terms; nothing
else reads them. `run.` stands for `training.` or `inference.`.
"""

from collections.abc import Mapping
from typing import Any

import attrs

import ptycho_config.vocabulary.translation as to
from ptycho_config.schema.specs import specs
from ptycho_config.short_names import SAME, Translation

_META = "ptycho_config.flat"


@attrs.frozen
class Flat:
    """The place of a flat field: the paths that it sets, or the reason there is none.

    channels: the field repeats gridsize^2, and is shown so.
    """

    paths: tuple[str, ...] = ()
    translation: Translation = SAME
    gone: str = ""
    channels: bool = False
    shown: bool = True


def flat(default: Any, paths: str, translation: Translation = SAME) -> Any:
    """A field with a `default` that sets `paths` (separated by spaces), read through `translation`."""
    return attrs.field(default=default, metadata={_META: Flat(tuple(paths.split()), translation)})


def no_option(default: Any, reason: str) -> Any:
    """A field with a `default` and, for a `reason`, no place in the schema: setting it is an error."""
    return attrs.field(default=default, metadata={_META: Flat(gone=reason)})


def channels(default: int, *, shown: bool = True) -> Any:
    """A field that repeats the number of patterns of a group; any other number is an error.

    shown: `to_flat` writes that number, not the default.
    """
    place = Flat(gone="follows from gridsize", channels=True, shown=shown)
    return attrs.field(default=default, metadata={_META: place})


@attrs.define
class DataConfig:
    """Patterns and groups."""

    nphotons: float = flat(100000.0, "run.nphotons")
    scale_contract_version: str = flat("ci_intensity_v2", "torch.scale.domain", to.CONTRACT)
    measurement_domain: str = flat("count_intensity", "torch.scale.domain")
    N: int = flat(64, "run.model.N")
    C: int = channels(4)
    K: int = flat(6, "run.neighbor_count")
    K_quadrant: int = flat(30, "torch.grouping.neighbors.K_quadrant")
    n_subsample: int = flat(7, "torch.grouping.groups_per_centre")
    subsample_seed: int | None = flat(None, "run.subsample_seed")
    grid_size: tuple[int, int] = flat((2, 2), "run.model.gridsize", to.SQUARE)
    neighbor_function: str = flat("Nearest", "torch.grouping.neighbors", to.NEIGHBORS)
    min_neighbor_distance: float = flat(0.0, "torch.grouping.neighbors.min_neighbor_distance")
    max_neighbor_distance: float = flat(3.0, "torch.grouping.neighbors.max_neighbor_distance")
    scan_pattern: str = flat("Isotropic", "torch.grouping.neighbors.scan_pattern")
    normalize: str = flat("Batch", "torch.scale.normalize")
    probe_scale: float = flat(4.0, "run.model.probe_scale")
    probe_normalize: bool = flat(True, "torch.scale.probe_normalize")
    data_scaling: str = flat("Parseval", "torch.scale.data_scaling")
    phase_subtraction: bool = flat(True, "torch.data.phase_subtraction")
    x_bounds: tuple[float, float] = flat((0.1, 0.9), "torch.grouping.x_bounds")
    y_bounds: tuple[float, float] = flat((0.1, 0.9), "torch.grouping.y_bounds")


@attrs.define
class FlatModelConfig:
    """Network, forward model and loss."""

    mode: str = flat("Unsupervised", "run.model.model_type", to.MODE)
    architecture: str = flat("cnn", "run.model.architecture torch.net")
    fno_modes: int = flat(12, "run.model.fno_modes")
    fno_width: int = flat(32, "run.model.fno_width")
    fno_blocks: int = flat(4, "run.model.fno_blocks")
    fno_cnn_blocks: int = flat(2, "run.model.fno_cnn_blocks")
    learned_input_channels: int = flat(1, "run.model.learned_input_channels")
    fno_input_transform: str = flat("none", "run.model.fno_input_transform")
    max_hidden_channels: int | None = flat(None, "run.model.max_hidden_channels")
    resnet_width: int | None = flat(None, "run.model.resnet_width")
    spectral_bottleneck_blocks: int = flat(6, "execution.spectral_bottleneck_blocks")
    spectral_bottleneck_modes: int = flat(12, "execution.spectral_bottleneck_modes")
    spectral_bottleneck_share_weights: bool = flat(True, "execution.spectral_bottleneck_share_weights")
    spectral_bottleneck_gate_init: float = flat(0.1, "execution.spectral_bottleneck_gate_init")
    spectral_bottleneck_gate_mode: str = flat("shared", "execution.spectral_bottleneck_gate_mode")
    generator_output_mode: str = flat("real_imag", "run.model.generator_output_mode")
    cnn_output_mode: str = flat("amp_phase", "torch.net.cnn_output_mode")
    use_shared_decoder: bool = flat(False, "torch.net.use_shared_decoder")
    intensity_scale_trainable: bool = flat(False, "run.intensity_scale_trainable")
    intensity_scale: float = no_option(10000.0, "scans are normalised, so a trainable intensity scale starts at 1")
    max_position_jitter: int = no_option(10, "had no effect: canvases follow from the positions")
    num_datasets: int = no_option(1, "follows from the scans that are given")
    C_model: int = channels(4)
    n_filters_scale: int = flat(2, "run.model.n_filters_scale")
    amp_activation: str = flat("silu", "run.model.amp_activation", to.ACTIVATION)
    batch_norm: bool = flat(False, "torch.net.batch_norm")
    probe_mask: Any = flat(False, "run.model.probe_mask")
    probe_mask_tensor: Any = no_option(None, "an array is no option: use probe_mask with sigma and diameter")
    probe_mask_sigma: float = flat(1.0, "run.model.probe_mask_sigma")
    probe_mask_diameter: float | None = flat(None, "run.model.probe_mask_diameter")
    edge_pad: int = no_option(10, "had no effect: patches are as large as the patterns")
    decoder_last_c_outer_fraction: float = flat(0.125, "torch.net.decoder_last_c_outer_fraction")
    decoder_last_amp_channels: int = channels(1, shown=False)
    use_legacy_decoder_channel_override: bool = flat(False, "torch.net.use_legacy_decoder_channel_override")
    eca_encoder: bool = flat(False, "torch.net.eca_encoder")
    cbam_encoder: bool = flat(True, "torch.net.cbam_encoder")
    cbam_bottleneck: bool = flat(False, "torch.net.cbam_bottleneck")
    cbam_decoder: bool = flat(False, "torch.net.cbam_decoder")
    eca_decoder: bool = flat(False, "torch.net.eca_decoder")
    spatial_decoder: bool = flat(False, "torch.net.spatial_decoder")
    decoder_spatial_kernel: int = flat(7, "torch.net.decoder_spatial_kernel")
    object_big: bool = flat(True, "run.model.object_big")
    probe_big: bool = flat(True, "run.model.probe_big")
    offset: int = no_option(6, "had no effect: canvases follow from the positions")
    C_forward: int = channels(4)
    training_patch_weighting: str = flat("central_mask", "torch.overlap.merge_weighting")
    physics_forward_mode: str = flat("amplitude", "torch.forward")
    rect_s1s2_trainable: bool = flat(True, "torch.forward.rect_s1s2_trainable")
    rect_s1s2_init: str = flat("ones", "torch.forward.rect_s1s2_init")
    amplitude_physics_gain: float = flat(1.0, "torch.forward.amplitude_physics_gain")
    pad_object: bool = flat(True, "run.model.pad_object")
    gaussian_smoothing_sigma: float = flat(0.0, "run.model.gaussian_smoothing_sigma")
    loss_function: str = flat("Poisson", "run.torch_loss_mode", to.LOSS)
    amp_loss: str | None = flat(None, "torch.regularisation.amp_loss")
    phase_loss: str | None = flat(None, "torch.regularisation.phase_loss")
    amp_loss_coeff: float = flat(1.0, "torch.regularisation.amp_loss_coeff")
    phase_loss_coeff: float = flat(1.0, "torch.regularisation.phase_loss_coeff")


@attrs.define
class FlatTrainingConfig:
    """Optimiser, schedule and files."""

    training_directories: list[str] = no_option(attrs.Factory(list), "give a folder as train_data_file")
    nll: bool = flat(True, "run.nll_weight", to.SWITCH)
    device: str = flat("cuda", "execution.accelerator", to.DEVICE)
    strategy: str | None = flat("ddp", "execution.strategy")
    n_devices: int | str = flat(1, "execution.devices")
    framework: str = no_option("Lightning", "training has one route")
    orchestrator: str = no_option("Mlflow", "choose a logger with logger_backend")
    learning_rate: float = flat(0.001, "execution.learning_rate")
    epochs: int = flat(50, "run.nepochs")
    batch_size: int = flat(16, "run.batch_size")
    epochs_fine_tune: int = flat(0, "torch.stages.epochs_fine_tune")
    fine_tune_gamma: float = flat(0.1, "torch.stages.fine_tune_gamma")
    scheduler: str = flat("Default", "run.scheduler")
    lr_warmup_epochs: int = flat(0, "run.lr_warmup_epochs")
    lr_min_ratio: float = flat(0.1, "run.lr_min_ratio")
    plateau_factor: float = flat(0.5, "run.plateau_factor")
    plateau_patience: int = flat(2, "run.plateau_patience")
    plateau_min_lr: float = flat(5e-05, "run.plateau_min_lr")
    plateau_threshold: float = flat(0.0, "run.plateau_threshold")
    num_workers: int = flat(4, "execution.num_workers")
    accum_steps: int = flat(1, "execution.accum_steps")
    gradient_clip_val: float | None = flat(None, "run.gradient_clip_val")
    gradient_clip_algorithm: str = flat("norm", "run.gradient_clip_algorithm")
    optimizer: str = flat("adam", "run.optimizer")
    momentum: float = flat(0.9, "run.momentum")
    weight_decay: float = flat(0.0, "run.weight_decay")
    adam_beta1: float = flat(0.9, "run.adam_beta1")
    adam_beta2: float = flat(0.999, "run.adam_beta2")
    log_grad_norm: bool = flat(False, "torch.record.log_grad_norm")
    grad_norm_log_freq: int = flat(1, "torch.record.grad_norm_log_freq")
    stage_1_epochs: int = flat(0, "torch.stages.stage_1_epochs")
    stage_2_epochs: int = flat(0, "torch.stages.stage_2_epochs")
    stage_3_epochs: int = flat(0, "torch.stages.stage_3_epochs")
    physics_weight_schedule: str = flat("cosine", "torch.stages.physics_weight_schedule")
    stage_3_lr_factor: float = flat(0.1, "torch.stages.stage_3_lr_factor")
    torch_loss_mode: str = flat("poisson", "run.torch_loss_mode")
    torch_mae_pred_l2_match_target: bool = flat(False, "run.torch_mae_pred_l2_match_target")
    experiment_name: str = flat("Synthetic_Runs", "torch.record.experiment_name")
    notes: str = flat("", "torch.record.notes")
    model_name: str = no_option("PtychoPINNv2", "a bundle is named by its folder")
    output_dir: str = flat("training_outputs", "run.output_dir", to.TEXT)
    train_data_file: str | None = flat(None, "run.train_data_file", to.TEXT)
    test_data_file: str | None = flat(None, "run.test_data_file", to.TEXT)
    n_groups: int | None = flat(None, "run.n_groups")


@attrs.define
class FlatInferenceConfig:
    """Stitching."""

    middle_trim: int = flat(32, "execution.middle_trim")
    batch_size: int = flat(1000, "execution.inference_batch_size")
    experiment_number: int = no_option(0, "one scan is reconstructed at a time: name its file")
    pad_eval: bool = flat(True, "execution.pad_eval")
    window: int = flat(20, "torch.stitch.window")
    patch_weighting: str = flat("probe", "torch.stitch.patch_weighting")
    varpro_scaling: bool = flat(True, "torch.stitch.varpro_scaling")
    log_patch_stats: bool = flat(False, "torch.record.log_patch_stats")
    patch_stats_limit: int | None = flat(None, "torch.record.patch_stats_limit")


@attrs.define
class DatagenConfig:
    """Simulation."""

    objects_per_probe: int = no_option(4, "simulation is not part of a run: use ptycho simulate")
    diff_per_object: int = no_option(7000, "simulation is not part of a run: use ptycho simulate")
    object_class: str = no_option("dead_leaves", "simulation is not part of a run: use ptycho simulate")
    image_size: tuple[int, int] = no_option((250, 250), "simulation is not part of a run: use ptycho simulate")
    probe_paths: list[str] = no_option(attrs.Factory(list), "simulation is not part of a run: use ptycho simulate")
    beamstop_diameter: int = no_option(4, "simulation is not part of a run: use ptycho simulate")


FLAT_CLASSES = (DataConfig, FlatModelConfig, FlatTrainingConfig, FlatInferenceConfig)


def destinations(cls: type) -> Mapping[str, Flat]:
    """Field name to its place in the schema."""
    return {attribute.name: attribute.metadata[_META] for attribute in attrs.fields(cls)}


def paths_of(place: Flat, root: type) -> tuple[str, ...]:
    """The paths that a flat field with this `place` sets below the setup class `root`."""
    run = next(iter(specs(root)))
    return tuple(f"{run}.{path[4:]}" if path.startswith("run.") else path for path in place.paths)
