"""What a type checker promises the users of the algebra. Checked by mypy and pyright, never run.

Each line marked `# wrong: ...` must be reported by both checkers, `# wrong for mypy` by mypy, and no
other line may be.
"""

from typing import assert_type

from ptycho_config import Resolved, Transform, at, config, field, fields, layer, narrow, resolve
from ptycho_config.lens import Lens
from ptycho_config.schema import ModelConfig, TrainingSetup


@config
class Cnn:
    width: int = field(default=32, doc="channels")


@config
class Fno:
    modes: int = field(default=12, doc="modes kept")


@config
class Net:
    body: Cnn | Fno = field(default=Cnn(), doc="layers")


def double(value: float) -> float:
    return 2 * value


def shout(value: str) -> str:
    return value.upper()


c = fields(TrainingSetup)
net = fields(Net)

assert_type(at(c.training.nepochs), Lens[int])
assert_type(at(c.training.nepochs).put(3), Transform)
assert_type(at(narrow(net.body, Fno).modes), Lens[int])
assert_type(resolve(TrainingSetup(), layer("a", Transform())), Resolved[TrainingSetup])
assert_type(resolve(TrainingSetup()).config.training.model, ModelConfig)
at(c.execution.learning_rate).over(double)
at(net.body).put(Fno(modes=3))

at(c.training.nepoch)  # wrong: field typo
at(c.trainig.nepochs)  # wrong: group typo
at(c.training.nepochs).put("3")  # wrong: value type
at(c.training.optimizer).put("adamm")  # wrong for mypy: value outside the Literal; pyright infers Lens[str]
at(c.execution.learning_rate).over(shout)  # wrong: over function
at(net.body).put(ModelConfig())  # wrong: union member
at(narrow(net.body, Fno).width)  # wrong: field of another member
ModelConfig(N=64, gridsze=2)  # wrong: unknown keyword
ModelConfig(64)  # wrong: positional argument
ModelConfig().N = 128  # wrong: write to a frozen field
