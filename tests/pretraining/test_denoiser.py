"""The script that makes the shipped denoiser."""

from pathlib import Path

import torch
from safetensors.torch import load_file

from ptycho_torch.nets.denoiser import Denoiser
from ptycho_torch.pretraining import denoiser


def test_a_short_training_writes_weights_that_load(tmp_path: Path) -> None:
    """And leaves a number for the noise that is left."""
    denoiser.main([str(tmp_path / "d.safetensors"), "--steps", "2", "--objects", "4"])
    weights = load_file(tmp_path / "d.safetensors")
    Denoiser().load_state_dict(weights)
    assert any(bool(torch.any(value != 0)) for name, value in weights.items() if "head" in name)
