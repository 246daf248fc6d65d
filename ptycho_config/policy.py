"""Which options a run may set: loops over what the fields of the schema state of themselves."""

from functools import cache
from typing import Any

from ptycho_config.apply import name_layers
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.layers import BUNDLE, IMPLIED, Layer
from ptycho_config.lens import at, fields
from ptycho_config.resolve import Resolved
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.fields import FieldSpec
from ptycho_config.schema.paths import leaves, leaves_of
from ptycho_config.steps import Step
from ptycho_config.transform import Transform, put_all

_SIDE = at(fields(InferenceSetup).inference.model.N).path
_BATCH = at(fields(TrainingSetup).execution.inference_batch_size)


def inference_policy(path: str) -> str:
    """The use that an inference makes of the training option at `path`: as stated by the option of the same
    name that an inference has; one that it does not have is ignored."""
    spec = _options(InferenceSetup).get(_at_inference(path))
    return str(spec.inference) if spec else "ignored"


def _at_inference(path: str) -> str:
    return path.replace("training.", "inference.", 1)


def bundle_layer(trained: TrainingSetup, where: str) -> Layer:
    """The options of the training `trained` that count for an inference, fixed or suggested as their fields state;
    a choice is carried as a whole. `where` names the bundle."""
    batch = trained.execution.inference_batch_size or trained.training.batch_size
    # Weights may serve every side; a learned probe has one.
    any_size = trained.torch.net.any_size and not trained.training.probe_trainable
    steps = []
    for put in put_all(_BATCH.put(batch)(trained)).steps:
        path, policy = _at_inference(put.path), inference_policy(put.path)
        if policy in ("fixed", "suggested"):
            fixed = policy == "fixed" and not (any_size and path == _SIDE)
            steps.append(Step(path, "put", put.arg, BUNDLE, fixed=fixed, where=where))
    return Layer(BUNDLE, Transform(tuple(steps)))


def refuse_unread(resolved: Resolved[Any]) -> None:
    """Raise ConfigError with every option that somebody set and nothing would read: no part of this
    version does, or, for an inference, only trainings do."""
    config, changes = resolved.config, resolved.explain().changes
    implied = {path: value for path, _, value in leaves_of(resolved.base)}
    implied |= {change.path: change.new for change in changes if change.layer in IMPLIED}
    problems = [
        Problem(path, f"{value!r} would have no effect: {sentence}")
        for path, spec, value in leaves_of(config)
        if (sentence := _no_effect(type(config), path)) and value != implied.get(path, spec.default)
    ]
    if problems:
        raise ConfigError(name_layers(problems, changes), type(config).SCHEMA)


def _no_effect(root: type, path: str) -> str:
    """The sentence why an option is not read by a run of this kind, or nothing."""
    spec = _options(root)[path]
    if spec.unread or root is not InferenceSetup or spec.inference != "ignored":
        return spec.unread
    return "; ".join(filter(None, ("it belongs to training", spec.at_inference, "leave it out")))


def is_settable(root: type, path: str) -> bool:
    """Whether a run with the setup class `root` can give the option at `path` another value than it has anyway."""
    decided = root is InferenceSetup and _options(root)[path].inference == "fixed"
    return not decided and not _no_effect(root, path)


@cache
def _options(root: type) -> dict[str, FieldSpec]:
    return dict(leaves(root))


def resumable_options() -> frozenset[str]:
    """The options in which a training may differ from the checkpoint that it resumes."""
    return frozenset(path for path, spec in leaves(TrainingSetup) if spec.resumable)
