"""From named sources to a resolved configuration and its legacy view.

Pure: no file is read, no global is touched, no device is used. What a data file says comes
in as `DatasetFacts`, read before by the caller.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import attrs

import ptycho_config.layers as names
from ptycho_config.documents import parse_or_explain
from ptycho_config.errors import ConfigError, Problem
from ptycho_config.facts import DatasetFacts
from ptycho_config.layers import INFERENCE, TRAINING, Layer, last_put
from ptycho_config.legacy import LegacyDelta, legacy_delta
from ptycho_config.lens import at, fields
from ptycho_config.policy import bundle_layer
from ptycho_config.profiles import RECOMMENDED, recommended_profile
from ptycho_config.profiles import profile as named_profile
from ptycho_config.resolve import Resolved, resolve
from ptycho_config.schema import InferenceConfig, InferenceSetup, PyTorchExecutionConfig, TrainingSetup
from ptycho_config.schema.base import AnyConfig
from ptycho_config.schema.given import given_names
from ptycho_config.schema.specs import specs
from ptycho_config.short_names import vocabulary_of
from ptycho_config.steps import Step
from ptycho_config.transform import Transform, layer, with_where

C = TypeVar("C", bound=AnyConfig)
Overrides = Transform | Mapping[str, Any] | None


class ReadLayers(NamedTuple):
    """Layers, and the problems of what could not be read."""

    layers: tuple[Layer, ...]
    problems: tuple[Problem, ...]


@attrs.frozen(kw_only=True, repr=False)
class Sources:
    """The layers that users provide. client: the settings of a program that calls this one. problems: those of what
    could not be read, which are raised with the problems of the layers."""

    client: Transform = Transform()
    config_file: Transform = Transform()
    execution: PyTorchExecutionConfig | None = None
    command_line: Transform = Transform()
    overrides: Overrides = None
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        given = (f"{one.name}={getattr(self, one.name)!r}" for one in attrs.fields(Sources) if self._has(one))
        return f"Sources({', '.join(given)})"

    def _has(self, one: "attrs.Attribute[Any]") -> bool:
        return bool(getattr(self, one.name) != one.default)

    def with_options(self, cls: type, options: Mapping[str, Any]) -> "Sources":
        """These layers with further options by name, of a setup class `cls`, among the explicit overrides."""
        if not options:
            return self
        added, problems = parse_or_explain(cls, options, names.OVERRIDES)
        before = self.overrides or Transform()
        if not isinstance(before, Transform):
            before, found = parse_or_explain(cls, before, names.OVERRIDES)
            problems = (*found, *problems)
        return attrs.evolve(self, overrides=before >> added, problems=(*self.problems, *problems))

    def layers(self, cls: type, arguments: Transform) -> ReadLayers:
        """Each by its name. Of an execution config those options count that it was given."""
        execution = Transform() if self.execution is None else _move(cls, put_given(self.execution, "execution"))
        overrides, problems = self.overrides or Transform(), self.problems
        if not isinstance(overrides, Transform):
            overrides, found = parse_or_explain(cls, overrides, names.OVERRIDES)
            problems += found
        layers = (
            Layer(names.CLIENT, self.client),
            Layer(names.CONFIG_FILE, self.config_file),
            Layer(names.EXECUTION, execution),
            Layer(names.COMMAND_LINE, self.command_line),
            Layer(names.OVERRIDES, arguments >> overrides),
        )
        return ReadLayers(layers, problems)


def put_given(config: Any, prefix: str) -> Transform:
    """A put below `prefix` for every option that the constructor of `config` was given, the default's value
    included; for all of them where `config` is a changed copy of another config."""
    steps: list[Step] = []
    given = given_names(config)
    for name, spec in specs(type(config)).items():
        path, value = f"{prefix}.{name}", getattr(config, name)
        if name in given:
            steps += put_given(value, path).steps if spec.is_group else [Step(path, "put", value)]
    return Transform(tuple(steps))


def _move(cls: type, transform: Transform) -> Transform:
    """The steps at the paths where a setup class `cls` reads their options."""
    moved = vocabulary_of(cls).moved
    return Transform(
        attrs.evolve(step, path=moved[step.path], where=f"as {step.path!r}") if step.path in moved else step
        for step in transform.steps
    )


def training_layers(
    profile: str | Transform | None,
    sources: Sources,
    facts: DatasetFacts | None = None,
    arguments: Transform = Transform(),
) -> ReadLayers:
    """All layers of a training: `profile`, `facts` of the scan, `sources`, and above all `arguments`; the problems
    are an unknown profile and unknown options. The profile `recommended` depends on the network that the layers
    above it name."""
    given, problems = sources.layers(TrainingSetup, arguments)
    chosen = Transform()
    try:
        chosen = recommended_profile(given) if profile == RECOMMENDED else named_profile(profile)
    except ConfigError as error:
        problems = (*error.problems, *problems)
    read = () if facts is None else (facts.training_layer(),)
    layers = (Layer(names.BACKEND, _training_backend(given)), Layer(names.PROFILE, chosen), *read, *given)
    return ReadLayers(layers, problems)


def _resolve(base: C, read: ReadLayers, order: Sequence[str]) -> Resolved[C]:
    """Resolve what could be read, to name all that is wrong at once."""
    found, subject = list(read.problems), getattr(type(base), "SCHEMA", "")
    try:
        resolved = resolve(base, *read.layers, order=order)
    except ConfigError as error:
        found += error.problems
    if found:
        raise ConfigError(found, subject)
    return resolved


def create_training_payload(
    train_data_file: Path | None = None,
    output_dir: Path | None = None,
    *,
    profile: str | Transform | None = None,
    facts: DatasetFacts | None = None,
    sources: Sources = Sources(),
) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    """Resolve a training run: `(configs, legacy_dict_delta)`. Pure.

    `profile`, `facts` of the scan and `sources` are layers in the order `layers.TRAINING`; `train_data_file`
    and `output_dir` given here are explicit overrides. Raises ConfigError with every problem and its layer.
    """
    c = fields(TrainingSetup)
    arguments = Transform()
    if train_data_file is not None:
        arguments >>= at(c.training.train_data_file).put(train_data_file)
    if output_dir is not None:
        arguments >>= at(c.training.output_dir).put(output_dir)
    resolved = _resolve(TrainingSetup(), training_layers(profile, sources, facts, arguments), TRAINING)
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

    `trained` is the setup stored in the bundle `model_path`, `facts` describe `test_data_file`; they and
    `sources` are layers in the order `layers.INFERENCE`, and `output_dir` is an explicit override. The
    shape of the network is fixed by `trained`: a data file or an override that differs is a conflict.
    """
    c = fields(InferenceSetup)
    base = InferenceSetup(inference=InferenceConfig(model_path=model_path, test_data_file=test_data_file))
    arguments = Transform() if output_dir is None else at(c.inference.output_dir).put(output_dir)
    given, problems = sources.layers(InferenceSetup, arguments)
    layers = (
        Layer(names.BACKEND, layer("", at(c.inference.backend).put("pytorch"), fixed=True)),
        bundle_layer(trained, model_path.name),
        *(() if facts is None else (facts.inference_layer(),)),
        *given,
    )
    resolved = _resolve(base, ReadLayers(layers, problems), INFERENCE)
    return resolved, legacy_delta(resolved.config.inference)


def _training_backend(above: Sequence[Layer]) -> Transform:
    """The name of this backend, and its defaults where they differ from the canonical ones; enough neighbours for
    the groups that the layers above ask for."""
    c = fields(TrainingSetup)
    side = last_put(above, at(c.training.model.gridsize).path, TRAINING)
    neighbours = max(6, side**2 - 1) if isinstance(side, int) else 6
    defaults = (
        layer("", at(c.training.backend).put("pytorch"), fixed=True)
        >> at(c.training.neighbor_count).put(neighbours)
        >> at(c.training.intensity_scale_trainable).put(False)
        >> at(c.training.model.amp_activation).put("swish")
    )
    return with_where(defaults, "")
