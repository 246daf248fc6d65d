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
    leaves_of,
    specs,
)
from ptycho_config.transform import apply, name_layers

_NETWORK = "belongs to a network that the replaced system does not have any more"
_TENSORFLOW = (
    "is read by the TensorFlow backend only; here torch_loss_mode names the one loss of the patterns"
)
_DUPLICATE = "is set in one place only: use {}"
_RENAMED = "is an older name: use {}"

UNCONSUMED: Mapping[type, Mapping[str, str]] = MappingProxyType(
    {
        ModelConfig: {
            **dict.fromkeys(("max_hidden_channels", "resnet_width", "pad_object"), _NETWORK),
        },
        TrainingConfig: {
            **dict.fromkeys(
                ("mae_weight", "nll_weight", "realspace_mae_weight", "realspace_weight"), _TENSORFLOW
            ),
            "n_images": _RENAMED.format("n_groups"),
            "positions_provided": "scans without positions cannot be reconstructed",
        },
        InferenceConfig: {
            "n_images": _RENAMED.format("n_groups"),
            "debug": "is a flag of the commands: use --debug",
        },
        PyTorchExecutionConfig: {
            "gradient_clip_val": _DUPLICATE.format("training.gradient_clip_val"),
            "gradient_clip_algorithm": _DUPLICATE.format("training.gradient_clip_algorithm"),
            "scheduler": _DUPLICATE.format("training.scheduler"),
            **{
                name: _NETWORK
                for name in specs(PyTorchExecutionConfig)
                if name.startswith(("ffno_", "spectral_"))
            },
        },
    }
)

READ_AT_INFERENCE = frozenset(
    {
        "execution.accelerator",
        "execution.enable_progress_bar",
        "execution.inference_batch_size",
        "execution.middle_trim",
        "execution.pad_eval",
        "torch.data.position_origin",
        "torch.record.log_patch_stats",
        "torch.record.patch_stats_limit",
    }
)


_READ_GROUPS = (
    "inference.",
    "torch.net",
    "torch.forward",
    "torch.grouping",
    "torch.scale",
    "torch.refine",
    "torch.stitch",
)
# Layers that follow from the run itself: nobody asked for what they set.
_IMPLIED = ("pytorch backend", "bundle")
Values = Mapping[str, Any]


def _training_only(setup: InferenceSetup, implied: Values) -> Iterator[Problem]:
    for path, _, value in leaves_of(setup):
        read = path in READ_AT_INFERENCE or path.startswith(_READ_GROUPS)
        if not read and value != implied.get(path, value):
            yield Problem(path, f"{value!r} would have no effect: it belongs to training")


def _refusals(config: Any, prefix: str, implied: Values) -> Iterator[Problem]:
    sentences = UNCONSUMED.get(type(config), {})
    for name, spec in specs(type(config)).items():
        value, path = getattr(config, name), f"{prefix}.{name}" if prefix else name
        if spec.is_group or spec.variants:
            yield from _refusals(value, path, implied)
        elif name in sentences and value != implied.get(path, spec.default):
            yield Problem(path, f"{value!r} would have no effect: {sentences[name]}")


def refuse_unconsumed(resolved: Resolved[Any]) -> None:
    """Raise ConfigError for every option that is set but that nothing would read."""
    config = resolved.config
    steps = [step for one in resolved.layers for step in one.steps if step.layer in _IMPLIED]
    implied = {path: value for path, _, value in leaves_of(apply(resolved.base, steps)[0])}
    extra = _training_only(config, implied) if isinstance(config, InferenceSetup) else ()
    problems = name_layers([*_refusals(config, "", implied), *extra], resolved.trace)
    if problems:
        raise ConfigError(problems, getattr(type(config), "SCHEMA", type(config).__name__))
