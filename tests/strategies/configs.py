"""Hypothesis makers of changes to a training setup, over fields of every kind, and a setup to change."""

from hypothesis import strategies as st

from ptycho_config import Transform
from ptycho_config.schema import ModelConfig, TorchOptions, TrainingConfig, TrainingSetup, Unrolled
from ptycho_config.steps import Step

# Its network takes patterns of every size.
BASE = TrainingSetup(
    training=TrainingConfig(model=ModelConfig(architecture="unrolled")), torch=TorchOptions(net=Unrolled())
)

VALUES = {
    "training.model.N": st.integers(16, 2048),
    "training.model.gridsize": st.integers(1, 2),
    "training.model.probe_mask": st.booleans(),
    "training.model.probe_mask_diameter": st.none() | st.floats(0.5, 500.0),
    "training.train_data_file": st.none() | st.text("abc/", min_size=1).map(lambda text: "d" + text),
    "training.nepochs": st.integers(1, 1000),
    "training.nphotons": st.floats(1.0, 1e12),
    "training.scheduler": st.sampled_from(["Default", "Exponential", "WarmupCosine"]),
    "execution.learning_rate": st.floats(1e-6, 1.0),
    "execution.recon_log_fixed_indices": st.none() | st.lists(st.integers(0, 99), max_size=4),
    "execution.deterministic": st.sampled_from([True, False, "warn"]),
    "torch.net.alpha": st.floats(0.0, 1.0, exclude_max=True),
}


@st.composite
def puts(draw: st.DrawFn, paths: tuple[str, ...] = tuple(VALUES), max_size: int = 6) -> Transform:
    """A transform of up to `max_size` puts."""
    chosen = draw(st.lists(st.sampled_from(paths), max_size=max_size))
    return Transform(tuple(Step(path, "put", draw(VALUES[path])) for path in chosen))
