"""Options of the replaced system that nothing reads yet: refused when set, never ignored."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.resolve import Resolved
from ptycho_config.schema import (
    InferenceConfig,
    InferenceSetup,
    ModelConfig,
    PyTorchExecutionConfig,
    TrainingConfig,
    get_path,
    leaves,
    specs,
)
from ptycho_config.transform import blame

_NETWORK = "belongs to a network that is not available yet; this version has architecture 'primed'"
_PROBE = "needs the probe options, which are not available yet; the probe of the file is used as it is"
_TRAINING_ONLY = "is not available yet; the physics-informed patterns loss is the only loss term"
_OVERSAMPLING = "oversampling is not available yet; groups are one per pattern at most"
_RECON_LOG = "logging of reconstructions while training is not available yet"
_DUPLICATE = "is set in one place only: use {}"
_RENAMED = "is an older name: use {}"

UNCONSUMED: Mapping[type, Mapping[str, str]] = MappingProxyType(
    {
        ModelConfig: {
            "model_type": "supervised training is not available yet; this version has 'pinn'",
            "architecture": _NETWORK,
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
            "middle_trim": "whole patches are stitched, weighted by their illumination",
            "pad_eval": "whole patches are stitched, weighted by their illumination",
        },
    }
)

# Options whose default, kept for compatibility, is itself not available.
_ONLY: Mapping[str, tuple[Any, ...]] = MappingProxyType({"architecture": ("primed",)})
_PARTLY: Mapping[str, Mapping[Any, str]] = MappingProxyType(
    {
        "gradient_clip_algorithm": {"agc": "adaptive clipping is not available yet: use 'norm' or 'value'"},
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
        "torch.data.measurement_domain",
        "torch.stitch.illumination_floor",
    }
)


def _training_only(setup: InferenceSetup) -> Iterator[Problem]:
    for path, spec in leaves(InferenceSetup):
        read = path in READ_AT_INFERENCE or path.startswith(("inference.", "torch.primed."))
        if not read and get_path(setup, path) != spec.default:
            yield Problem(path, f"{get_path(setup, path)!r} would have no effect: it belongs to training")


def _refusals(config: Any, prefix: str) -> Iterator[Problem]:
    sentences = UNCONSUMED.get(type(config), {})
    for name, spec in specs(type(config)).items():
        value = getattr(config, name)
        path = f"{prefix}.{name}" if prefix else name
        if spec.is_group:
            yield from _refusals(value, path)
        elif name in sentences and value not in _ONLY.get(name, (spec.default,)):
            yield Problem(path, f"{value!r} would have no effect: {sentences[name]}")
        elif name not in sentences and value in _PARTLY.get(name, {}):
            yield Problem(path, f"{value!r}: {_PARTLY[name][value]}")


def refuse_unconsumed(resolved: Resolved[Any]) -> None:
    """Raise ConfigError for every option that is set but that nothing would read."""
    config = resolved.config
    extra = _training_only(config) if isinstance(config, InferenceSetup) else ()
    problems = blame([*_refusals(config, ""), *extra], resolved.trace)
    if problems:
        raise ConfigError(problems, getattr(type(config), "SCHEMA", type(config).__name__))
