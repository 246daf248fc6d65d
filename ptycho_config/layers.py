"""Layers by name, and the declared orders in which they apply. The order stands here and nowhere else."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.schema.paths import get_path
from ptycho_config.schema.specs import is_config
from ptycho_config.steps import Step
from ptycho_config.transform import Transform, layer, refuse, steps_html, summary

BASE = "schema defaults"
BACKEND = "pytorch backend"
PROFILE = "profile"
BUNDLE = "bundle"
FACTS = "dataset facts"
CLIENT = "ptychodus"
CONFIG_FILE = "config file"
EXECUTION = "execution"
COMMAND_LINE = "command line"
OVERRIDES = "explicit overrides"

# Lowest first: every layer that a trace can show.
_OF_THE_RUN = (FACTS, CLIENT, CONFIG_FILE, EXECUTION, COMMAND_LINE, OVERRIDES)
TRAINING = (BASE, BACKEND, PROFILE, *_OF_THE_RUN)
INFERENCE = (BASE, BACKEND, BUNDLE, *_OF_THE_RUN)
# They follow from the run itself, so no user has chosen what they set.
IMPLIED = frozenset({BASE, BACKEND, BUNDLE, FACTS})


@attrs.frozen(repr=False)
class Layer:
    """A transform with a name, which all its steps carry; another name that a step had goes to its
    `where`."""

    name: str
    transform: Transform

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "transform", layer(self.name, self.transform))

    def __repr__(self) -> str:
        return f"<Layer {self.name!r}: {summary(self.transform.steps)}>"

    def _repr_html_(self) -> str:
        return steps_html(self.transform.steps)


def split_layers(parts: Iterable[Transform | Layer]) -> tuple[Layer, ...]:
    """The layers of some `parts` by the names of their steps, however the steps are distributed
    over the parts: successive steps of one name are one layer."""
    steps = itertools.chain.from_iterable(map(_steps, parts))
    groups = itertools.groupby(steps, key=lambda step: step.layer)
    return tuple(Layer(name, Transform(group)) for name, group in groups)


def _steps(part: Transform | Layer) -> tuple[Step, ...]:
    if isinstance(part, Layer):
        return part.transform.steps
    return part.steps if isinstance(part, Transform) else refuse(part, "resolve takes transforms and layers")


def sort_layers(parts: Iterable[Transform | Layer], order: Sequence[str]) -> tuple[Layer, ...]:
    """The layers of `parts`, lowest first, each name once. Raises ConfigError for a name that
    is not in `order`."""
    found = split_layers(parts)
    strange = dict.fromkeys(one.name for one in found if one.name not in order)
    if strange:
        hint = f"there is {', '.join(order)}"
        raise ConfigError([Problem("", f"there is no layer {name!r}", hint=hint) for name in strange])
    lowest_first = sorted(found, key=lambda one: order.index(one.name))
    return split_layers(lowest_first)


def last_put(parts: Iterable[Transform | Layer], path: str, order: Sequence[str]) -> Any:
    """The value that the highest layer of `parts` in `order` puts at `path`; None where none does."""
    steps = [step for one in sort_layers(parts, order) for step in one.transform.steps if step.op == "put"]
    found = None
    for step in steps:
        if path == step.path or (path.startswith(f"{step.path}.") and is_config(type(step.arg))):
            found = get_path(step.arg, path[len(step.path) :].lstrip("."))
    return found
