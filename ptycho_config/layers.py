"""Layers by name, and the declared orders in which they apply. The order stands here and nowhere else."""

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from ptycho_config.errors import ConfigError, Problem
from ptycho_config.transform import Step, Transform

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


@attrs.frozen
class Layer:
    """A transform with a name, which all its steps carry; another name that a step had goes to its
    `where`."""

    name: str
    transform: Transform

    def __attrs_post_init__(self) -> None:
        steps = tuple(_take_name(step, self.name) for step in self.transform.steps)
        object.__setattr__(self, "transform", Transform(steps))


def _take_name(step: Step, name: str) -> Step:
    if step.layer == name:
        return step
    return attrs.evolve(step, layer=name, where=f"{step.layer} {step.where}".strip())


def split_layers(parts: Iterable[Transform | Layer]) -> tuple[Layer, ...]:
    """The layers of some transforms by the names of their steps, however the steps are distributed
    over the transforms: successive steps of one name are one layer."""
    transforms = (one.transform if isinstance(one, Layer) else one for one in parts)
    steps = (step for transform in transforms for step in transform.steps)
    groups = itertools.groupby(steps, key=lambda step: step.layer)
    return tuple(Layer(name, Transform(tuple(group))) for name, group in groups)


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
    steps = (step for one in sort_layers(parts, order) for step in one.transform.steps)
    puts = [step.arg for step in steps if step.path == path and step.op == "put"]
    return puts[-1] if puts else None
