"""The plan of a sweep."""

from pathlib import Path

import pytest

from ptycho_config import ConfigError
from ptycho_torch.sweep.plan import Base, plan_sweep


def test_the_problems_of_base_and_axes_are_one_message(tmp_path: Path) -> None:
    """Whichever source they stand in."""
    file = tmp_path / "base.yaml"
    file.write_text("training: {nepoch: 3}\n")
    base = Base(config=file, profile="unrolled", assignments=("torch.x=1",))
    with pytest.raises(ConfigError) as caught:
        plan_sweep(base, [["training.nepochs=a", "training.nepochs=2"]], tmp_path)
    for path in ("training.nepoch:", "torch.x:", "training.nepochs:"):
        assert path in str(caught.value)
