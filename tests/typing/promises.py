"""Right uses of the algebra, and the types that they have. Read by type checkers, never run; none is reported."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from ptycho_config import Resolved, Transform, at, config, field, fields, layer, narrow, resolve
from ptycho_config.lens import Lens
from ptycho_config.schema import ModelConfig, TrainingSetup
from ptycho_config.schema.replace import replace
from ptycho_config.schema.scalars import EntryPoint


@config
class Cnn:
    width: int = field(default=32, doc="channels")


@config
class Fno:
    modes: int = field(default=12, doc="modes kept")


@config
class Net:
    body: Cnn | Fno = field(default=Cnn(), doc="layers")
    head: Fno | None = field(default=None, doc="last layers, null for none")
    stages: tuple[Cnn, ...] = field(default=(), doc="first layers")
    weights: Mapping[str, float] = field(default={}, doc="of losses")


def double(value: float) -> float:
    return 2 * value


c = fields(TrainingSetup)
net = fields(Net)

assert_type(at(c.training.nepochs), Lens[int])
assert_type(at(c.training.nepochs).put(3), Transform)
assert_type(at(narrow(net.body, Fno).modes), Lens[int])
assert_type(resolve(TrainingSetup(), layer("a", Transform())), Resolved[TrainingSetup])
assert_type(resolve(TrainingSetup()).config.training.model, ModelConfig)
at(c.execution.learning_rate).over(double)
at(net.body).put(Fno(modes=3))
at(net.head).put(None)
assert_type(at(narrow(net.head, Fno).modes), Lens[int])
assert_type(at(net.stages[0].width), Lens[int])
assert_type(at(net.weights["mae"]), Lens[float])
at(net.weights).put({"mae": 0.5})
assert_type(replace(ModelConfig, ModelConfig(), gridsize=2), ModelConfig)
at(c.training.optimizer).put("sgd")
at(c.training.torch_loss_mode).put("mae")
at(c.training.torch_loss_mode).put(EntryPoint("package:loss"))
assert_type(at(c.training.test_data_file), Lens[Path | None])
assert_type(at(c.execution.deterministic).put("warn"), Transform)
assert_type(at(c.training.gradient_clip_val), Lens[float | None])
