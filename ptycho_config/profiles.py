"""Named sets of recommended values: ordinary layers, visible in `explain`."""

from collections.abc import Sequence
from pathlib import Path

from ptycho_config.documents import parse
from ptycho_config.errors import ConfigError, Problem, near_miss
from ptycho_config.layers import PROFILE, TRAINING, Layer, last_put
from ptycho_config.lens import at, fields, narrow
from ptycho_config.schema import Cnn, RectangularScaled, TrainingSetup, Unrolled
from ptycho_config.steps import Step
from ptycho_config.transform import Transform, layer, with_where

_c = fields(TrainingSetup)

# Asks for `recommended` in place of a profile.
RECOMMENDED = "recommended"
# Asks for no profile, where a name is needed.
NO_PROFILE = "none"
_STEADY = (
    # A rare gradient, a hundred times the usual one, then moves a weight by the learning rate; with 0.999 by three
    # times that, and by momentum again and again: the network is thrown off.
    at(_c.training.adam_beta2).put(0.99)
    >> at(_c.training.gradient_clip_val).put(1.0)
    >> at(_c.training.scheduler).put("WarmupCosine")
    >> at(_c.training.lr_warmup_epochs).put(0)
    >> at(_c.training.lr_min_ratio).put(0.01)
    >> at(_c.training.subsample_seed).put(0)
)
PROFILES: dict[str, Transform] = {
    "unrolled": (
        at(_c.training.model.architecture).put("unrolled")
        >> at(_c.torch.net).put(Unrolled())
        >> at(_c.training.neighbor_count).put(32)
        >> at(_c.training.batch_size).put(2)
        >> at(_c.training.nepochs).put(2)
        >> at(_c.training.optimizer).put("adamw")
        >> at(_c.training.weight_decay).put(1e-4)
        >> _STEADY
        >> at(_c.execution.learning_rate).put(4e-3)
        >> at(_c.execution.inference_batch_size).put(64)
        >> at(_c.torch.overlap.partners).put(24)
    ),
    "patches": (
        at(_c.training.batch_size).put(4)
        >> at(_c.training.nepochs).put(8)
        >> at(_c.training.neighbor_count).put(6)
        >> _STEADY
        >> at(_c.training.model.n_filters_scale).put(1)
        >> at(_c.execution.learning_rate).put(1e-3)
        >> at(_c.torch.overlap.partners).put(1)
        >> at(_c.torch.overlap.weight).put(1.0)
    ),
    "ci": (
        Transform(
            (
                Step(at(_c.torch.scale.domain).path, "put", "count_intensity", fixed=True),
                Step(at(_c.torch.forward).path, "put", "rectangular_scaled", fixed=True),
                Step(at(_c.training.torch_loss_mode).path, "put", "poisson", fixed=True),
            )
        )
        >> at(narrow(_c.torch.forward, RectangularScaled).rect_s1s2_trainable).put(True)
        >> at(narrow(_c.torch.forward, RectangularScaled).rect_s1s2_init).put("data")
        >> at(narrow(_c.torch.net, Cnn).cnn_output_mode).put("real_imag")
    ),
}


# Former names of profiles.
RENAMED = {"primed": "unrolled"}


def recommended_profile(above: Sequence[Layer]) -> Transform:
    """The profile for the network that the layers above ask for: `unrolled` for the one that we
    recommend, and also where none is named; nothing for another, whose defaults then count.

    Where a layer above has fewer neighbours than the profile, a group has as many partners as they leave.
    """
    model, training = _c.training.model, _c.training
    if last_put(above, at(model.architecture).path, TRAINING) not in (None, "unrolled"):
        return Transform()
    neighbours = last_put(above, at(training.neighbor_count).path, TRAINING)
    side = last_put(above, at(model.gridsize).path, TRAINING) or 1
    partners = at(_c.torch.overlap.partners)
    most = last_put([Layer(PROFILE, PROFILES["unrolled"])], partners.path, TRAINING)
    if not isinstance(neighbours, int) or not isinstance(side, int) or neighbours - (side**2 - 1) >= most:
        return profile("unrolled")
    kept = Transform(step for step in profile("unrolled").steps if step.path != partners.path)
    fewer = partners.put(max(0, neighbours - (side**2 - 1)))
    return kept >> layer(PROFILE, with_where(fewer, "unrolled, as many as neighbor_count leaves"))


def profile(name: str | Transform | None) -> Transform:
    """The layer of a profile: one of `PROFILES` by name, or one's own transform; None is empty.

    `unrolled` is what we recommend; `patches` trains the networks that draw a patch for each pattern; `ci` fixes
    the scale contract of photon counts.
    """
    if name is None:
        return Transform()
    if isinstance(name, Transform):
        return layer(PROFILE, name)
    where = f"{RENAMED[name]} as {name!r}" if name in RENAMED else name
    name = RENAMED.get(name, name)
    if name not in PROFILES:
        hint = near_miss(name, PROFILES) or f"there is {', '.join(sorted(PROFILES))}"
        raise ConfigError([Problem(name, "unknown profile", hint=hint)], "profiles")
    return layer(PROFILE, with_where(PROFILES[name], where))


def named_profile(name: str) -> str | Transform | None:
    """The argument of `--profile` as the factories take it."""
    if name == NO_PROFILE:
        return None
    path = Path(name)
    return parse(TrainingSetup, path, PROFILE) if path.suffix and path.exists() else name
