"""Options of the replaced system that nothing reads yet: refused when set, never ignored."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.resolve import Resolved
from ptycho_config.schema import (
    Amplitude,
    Cnn,
    DataOptions,
    Ffno,
    Fno,
    FnoVanilla,
    FourQuadrant,
    GroupingOptions,
    InferenceConfig,
    InferenceSetup,
    MinDistance,
    ModelConfig,
    NeuralopUno,
    OverlapOptions,
    PyTorchExecutionConfig,
    RecordOptions,
    RectangularScaled,
    RegularisationOptions,
    ScaleOptions,
    StageOptions,
    StitchOptions,
    TrainingConfig,
    leaves_of,
    specs,
)
from ptycho_config.schema.base import kind_of
from ptycho_config.transform import apply, blame

_NETWORK = "belongs to a network that is not available yet; this version has architecture 'primed'"
_PROBE = "needs the probe options, which are not available yet; the probe of the file is used as it is"
_TRAINING_ONLY = "is not available yet; the physics-informed patterns loss is the only loss term"
_OVERSAMPLING = "oversampling is not available yet; groups are one per pattern at most"
_RECON_LOG = "logging of reconstructions while training is not available yet"
_SCALE = "is not available yet; scans are scaled by their own mean energy, probes by their own power"
_WHOLE = "whole patches are stitched, weighted by their illumination"
_WEIGHTING = "is not available yet; patches are weighted by their illumination"
_RULE = "this rule is not available yet; this version has 'nearest'"
_STAGES = "staged schedules and fine-tuning are not available yet"
_DUPLICATE = "is set in one place only: use {}"
_RENAMED = "is an older name: use {}"

UNCONSUMED: Mapping[type, Mapping[str, str]] = MappingProxyType(
    {
        ModelConfig: {
            "model_type": "supervised training is not available yet; this version has 'pinn'",
            **dict.fromkeys(
                (
                    "n_filters_scale",
                    "fno_modes",
                    "fno_width",
                    "fno_blocks",
                    "fno_cnn_blocks",
                    "learned_input_channels",
                    "max_hidden_channels",
                    "resnet_width",
                    "fno_input_transform",
                    "generator_output_mode",
                    "amp_activation",
                    "probe_big",
                    "pad_object",
                ),
                _NETWORK,
            ),
            **dict.fromkeys(
                (
                    "probe_mask",
                    "probe_mask_sigma",
                    "probe_mask_diameter",
                    "probe_scale",
                    "gaussian_smoothing_sigma",
                ),
                _PROBE,
            ),
        },
        TrainingConfig: {
            **dict.fromkeys(("mae_weight", "nll_weight"), "is not available yet: use torch_loss_mode"),
            **dict.fromkeys(("realspace_mae_weight", "realspace_weight"), _TRAINING_ONLY),
            "n_images": _RENAMED.format("n_groups"),
            "enable_oversampling": _OVERSAMPLING,
            "neighbor_pool_size": _OVERSAMPLING,
            "positions_provided": "scans without positions cannot be reconstructed",
            "probe_trainable": _PROBE,
            "intensity_scale_trainable": "the intensity scale follows from the units; nothing is trained",
            "torch_mae_pred_l2_match_target": _TRAINING_ONLY,
        },
        InferenceConfig: {
            "n_images": _RENAMED.format("n_groups"),
            "enable_oversampling": _OVERSAMPLING,
            "neighbor_pool_size": _OVERSAMPLING,
            "debug": "is a flag of the commands: use --debug",
        },
        PyTorchExecutionConfig: {
            "devices": "several devices are not available yet",
            "strategy": "several devices are not available yet",
            "precision": "mixed precision is not available yet",
            "gradient_clip_val": _DUPLICATE.format("training.gradient_clip_val"),
            "gradient_clip_algorithm": _DUPLICATE.format("training.gradient_clip_algorithm"),
            "scheduler": _DUPLICATE.format("training.scheduler"),
            **dict.fromkeys(
                (
                    "recon_log_every_n_epochs",
                    "recon_log_num_patches",
                    "recon_log_fixed_indices",
                    "recon_log_stitch",
                    "recon_log_max_stitch_samples",
                ),
                _RECON_LOG,
            ),
            **{
                name: _NETWORK
                for name in specs(PyTorchExecutionConfig)
                if name.startswith(("ffno_", "spectral_"))
            },
            "middle_trim": _WHOLE,
            "pad_eval": _WHOLE,
        },
        DataOptions: {"phase_subtraction": "belongs to supervised training, which is not available yet"},
        ScaleOptions: dict.fromkeys(("normalize", "data_scaling", "probe_normalize"), _SCALE),
        GroupingOptions: {
            "groups_per_centre": _OVERSAMPLING,
            **dict.fromkeys(("x_bounds", "y_bounds"), "is not available yet; the whole scan is used"),
        },
        Amplitude: dict.fromkeys(("amplitude_physics_gain", "intensity_scale"), _SCALE),
        OverlapOptions: {"merge_weighting": _WEIGHTING},
        RegularisationOptions: dict.fromkeys(
            ("amp_loss", "amp_loss_coeff", "phase_loss", "phase_loss_coeff"), _TRAINING_ONLY
        ),
        StageOptions: dict.fromkeys(specs(StageOptions), _STAGES),
        StitchOptions: {
            "patch_weighting": _WHOLE,
            "varpro_scaling": "is not available yet",
            "window": "is not available yet; pictures show the whole object",
        },
        RecordOptions: {
            "experiment_name": "loggers that have experiments are not available yet",
            **dict.fromkeys(
                ("log_grad_norm", "grad_norm_log_freq", "log_patch_stats", "patch_stats_limit"),
                "is not available yet; losses are logged",
            ),
        },
    }
)

# Members of choices that are not available, whatever their options are.
UNAVAILABLE: Mapping[type, str] = MappingProxyType(
    {
        **dict.fromkeys((Cnn, Fno, FnoVanilla, Ffno, NeuralopUno), _NETWORK),
        RectangularScaled: "this forward model is not available yet; this version has 'amplitude'",
        **dict.fromkeys((MinDistance, FourQuadrant), _RULE),
    }
)

PARTLY: Mapping[str, Mapping[Any, str]] = MappingProxyType(
    {
        "gradient_clip_algorithm": {"agc": "adaptive clipping is not available yet: use 'norm' or 'value'"},
        "scheduler": {"MultiStage": _STAGES, "Adaptive": _STAGES},
        "logger_backend": {
            "tensorboard": "is not available yet: use 'csv' or null",
            "mlflow": "is not available yet: use 'csv' or null",
        },
    }
)


READ_AT_INFERENCE = frozenset(
    {
        "execution.accelerator",
        "execution.enable_progress_bar",
        "execution.inference_batch_size",
        "torch.scale.domain",
        "torch.stitch.illumination_floor",
    }
)


# Layers that follow from the run itself: nobody asked for what they set.
_IMPLIED = ("pytorch backend", "bundle")
Values = Mapping[str, Any]


def _training_only(setup: InferenceSetup, implied: Values) -> Iterator[Problem]:
    for path, _, value in leaves_of(setup):
        read = path in READ_AT_INFERENCE or path.startswith(("inference.", "torch.net", "torch.forward"))
        if not read and value != implied.get(path, value):
            yield Problem(path, f"{value!r} would have no effect: it belongs to training")


def _refusals(config: Any, prefix: str, implied: Values) -> Iterator[Problem]:
    sentences = UNCONSUMED.get(type(config), {})
    for name, spec in specs(type(config)).items():
        value, path = getattr(config, name), f"{prefix}.{name}" if prefix else name
        if type(value) in UNAVAILABLE:
            yield Problem(path, f"{kind_of(type(value))!r}: {UNAVAILABLE[type(value)]}")
        elif spec.is_group or spec.variants:
            yield from _refusals(value, path, implied)
        elif name in sentences and value != implied.get(path, spec.default):
            yield Problem(path, f"{value!r} would have no effect: {sentences[name]}")
        elif name not in sentences and value in PARTLY.get(name, {}):
            yield Problem(path, f"{value!r}: {PARTLY[name][value]}")


def refuse_unconsumed(resolved: Resolved[Any]) -> None:
    """Raise ConfigError for every option that is set but that nothing would read."""
    config = resolved.config
    steps = [step for one in resolved.layers for step in one.steps if step.layer in _IMPLIED]
    implied = {path: value for path, _, value in leaves_of(apply(resolved.base, steps)[0])}
    extra = _training_only(config, implied) if isinstance(config, InferenceSetup) else ()
    problems = blame([*_refusals(config, "", implied), *extra], resolved.trace)
    if problems:
        raise ConfigError(problems, getattr(type(config), "SCHEMA", type(config).__name__))
