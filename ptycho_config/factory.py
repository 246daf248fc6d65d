"""From named sources to a resolved configuration and its legacy view.

Pure: no file is read, no global is touched, no device is asked. What a data file says comes
in as `DatasetFacts`, read before by the caller.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ptycho_config.documents import from_mapping
from ptycho_config.facts import DatasetFacts
from ptycho_config.legacy import LegacyDelta, legacy_delta
from ptycho_config.lens import at, fields
from ptycho_config.profiles import RECOMMENDED, recommended_profile
from ptycho_config.profiles import profile as named_profile
from ptycho_config.resolve import BASE, Resolved, resolve
from ptycho_config.schema import (
    InferenceConfig,
    InferenceSetup,
    PyTorchExecutionConfig,
    TrainingSetup,
)
from ptycho_config.transform import Transform, diff, layer, put_all, with_where

LAYER_ORDER = (
    BASE,
    "profile",
    "dataset facts",
    "config file",
    "execution",
    "command line",
    "explicit overrides",
)
OVERRIDES = LAYER_ORDER[-1]
Overrides = Transform | Mapping[str, Any] | None


@attrs.frozen(kw_only=True)
class Sources:
    """The layers that users provide, by their place in the declared order."""

    config_file: Transform = Transform()
    execution: PyTorchExecutionConfig | None = None
    command_line: Transform = Transform()
    overrides: Overrides = None

    def layers(self, cls: type, arguments: Transform) -> tuple[Transform, ...]:
        """Lowest first. An execution config counts where it differs from the defaults."""
        execution = Transform()
        if self.execution is not None:
            changed = diff(PyTorchExecutionConfig(), self.execution).steps
            execution = Transform(tuple(attrs.evolve(s, path=f"execution.{s.path}") for s in changed))
        overrides = self.overrides or Transform()
        if not isinstance(overrides, Transform):
            overrides = from_mapping(cls, overrides, OVERRIDES)
        return (
            self.config_file,
            layer("execution", execution),
            self.command_line,
            layer(OVERRIDES, arguments >> overrides),
        )


def create_training_payload(
    train_data_file: Path | None = None,
    output_dir: Path | None = None,
    *,
    profile: str | Transform | None = None,
    facts: DatasetFacts | None = None,
    sources: Sources = Sources(),
) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    """Resolve a training run: `(configs, legacy_dict_delta)`. Pure.

    Precedence is `LAYER_ORDER`, later over earlier; `train_data_file` and `output_dir` given here are
    explicit overrides; the profile `recommended` depends on the network that the layers above it ask for.
    Raises ConfigError with every problem and its layer.
    """
    c = fields(TrainingSetup)
    arguments = Transform()
    if train_data_file is not None:
        arguments >>= at(c.training.train_data_file).put(train_data_file)
    if output_dir is not None:
        arguments >>= at(c.training.output_dir).put(output_dir)
    asked = sources.layers(TrainingSetup, arguments)
    resolved = resolve(
        TrainingSetup(),
        layer("pytorch backend", _training_backend()),
        recommended_profile(asked) if profile == RECOMMENDED else named_profile(profile),
        facts.training_layer() if facts else Transform(),
        *asked,
    )
    return resolved, legacy_delta(resolved.config.training)


def create_inference_payload(
    model_path: Path,
    test_data_file: Path,
    output_dir: Path | None = None,
    *,
    trained: TrainingSetup,
    facts: DatasetFacts | None = None,
    sources: Sources = Sources(),
) -> tuple[Resolved[InferenceSetup], LegacyDelta]:
    """Resolve an inference run: `(configs, legacy_dict_delta)`. Pure.

    `trained` is the setup stored in the bundle. What decides the shape of the network is
    fixed to it: a data file or an override that asks for something else is a conflict.
    """
    c = fields(InferenceSetup)
    base = InferenceSetup(inference=InferenceConfig(model_path=model_path, test_data_file=test_data_file))
    arguments = Transform() if output_dir is None else at(c.inference.output_dir).put(output_dir)
    resolved = resolve(
        base,
        layer("pytorch backend", at(c.inference.backend).put("pytorch"), fixed=True),
        bundle_layer(trained, model_path.name),
        facts.inference_layer() if facts else Transform(),
        *sources.layers(InferenceSetup, arguments),
    )
    return resolved, legacy_delta(resolved.config.inference)


def _training_backend() -> Transform:
    """What this backend is, and its defaults where they differ from the canonical ones."""
    c = fields(TrainingSetup)
    defaults = (
        layer("", at(c.training.backend).put("pytorch"), fixed=True)
        >> at(c.training.neighbor_count).put(6)
        >> at(c.training.intensity_scale_trainable).put(False)
        >> at(c.training.model.amp_activation).put("swish")
    )
    return with_where(defaults, "")


def bundle_layer(trained: TrainingSetup, where: str) -> Transform:
    """What a bundle decides (fixed) and what it suggests for an inference run."""
    c = fields(InferenceSetup)
    # Weights may serve every side; a learned probe has one.
    side = at(c.inference.model.N)
    free = trained.torch.net.any_size and not trained.training.probe_trainable
    model = put_all(trained.training.model, "inference.model").steps
    network = (
        Transform(tuple(step for step in model if not (free and step.path == side.path)))
        >> at(c.torch.net).put(trained.torch.net)
        >> at(c.torch.forward).put(trained.torch.forward)
        >> at(c.torch.scale.normalize).put(trained.torch.scale.normalize)
        >> at(c.torch.scale.data_scaling).put(trained.torch.scale.data_scaling)
        >> at(c.torch.scale.probe_normalize).put(trained.torch.scale.probe_normalize)
    )
    suggested = (
        at(c.inference.neighbor_count).put(trained.training.neighbor_count)
        >> at(c.inference.subsample_seed).put(trained.training.subsample_seed)
        >> at(c.execution.inference_batch_size).put(
            trained.execution.inference_batch_size or trained.training.batch_size
        )
        >> at(c.torch.data.position_origin).put(trained.torch.data.position_origin)
        >> at(c.torch.scale.domain).put(trained.torch.scale.domain)
        >> at(c.torch.scale.statistics).put(trained.torch.scale.statistics)
        >> at(c.execution.middle_trim).put(trained.execution.middle_trim)
        >> at(c.execution.pad_eval).put(trained.execution.pad_eval)
        >> at(c.torch.record.log_patch_stats).put(trained.torch.record.log_patch_stats)
        >> at(c.torch.record.patch_stats_limit).put(trained.torch.record.patch_stats_limit)
        >> at(c.torch.stitch).put(trained.torch.stitch)
        >> at(c.torch.refine).put(trained.torch.refine)
    )
    if free:
        suggested = side.put(trained.training.model.N) >> suggested
    decided = layer("bundle", network, fixed=True) >> suggested
    return layer("bundle", with_where(decided, where))
