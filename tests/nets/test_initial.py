"""Networks of images start at the modulus that is asked for, and from the first step on see their input."""

from typing import Any

import pytest
import torch
from torch import nn

from ptycho_config import Sources, create_training_payload
from ptycho_torch.nets.build import build_network
from ptycho_torch.nets.initial import output_factor, set_first_weights

DIFFERENT = 1e-5
REAL_IMAG = {"torch.net.cnn_output_mode": "real_imag"}
NETWORKS: dict[str, dict[str, Any]] = {
    **{f"cnn, {name}": {"amp_activation": name} for name in ("swish", "sigmoid", "softplus", "relu")},
    "cnn, real_imag": REAL_IMAG,
    "cnn, shared decoder": {"torch.net.use_shared_decoder": True},
    "cnn, all gates": {"torch.net.cbam_bottleneck": True, "torch.net.cbam_decoder": True},
    "cnn, groups": {"gridsize": 2},
    "cnn, 128 px": {"N": 128},
    **{name: {"architecture": name, "fno_width": 16} for name in ("fno", "fno_vanilla", "ffno")},
    "fno, logits": {"architecture": "fno", "fno_width": 16, "generator_output_mode": "amp_phase_logits"},
    "fno, two heads": {"architecture": "fno", "fno_width": 16, "generator_output_mode": "amp_phase"},
}


def _patches(options: dict[str, Any], modulus: float, seed: int, *, first: bool = True) -> torch.Tensor:
    """Patches that a network draws for four patterns of speckle, whose mean power is 1."""
    sources = Sources(overrides={"n_filters_scale": 1, "subsample_seed": 0, **options})
    setup = create_training_payload(profile=None, sources=sources)[0].config
    model = setup.training.model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(model, setup.torch)
        if first:
            set_first_weights(network, model, setup.torch.net, modulus)
        noise = torch.randn(4, model.gridsize**2, model.N, model.N, dtype=torch.complex64)
    envelope = torch.exp(-torch.linspace(-6, 6, model.N).square())
    amplitude = torch.fft.ifftshift((noise * envelope[:, None] * envelope).abs(), dim=(-2, -1))
    amplitude = amplitude / amplitude.square().mean().sqrt()
    assert isinstance(network, nn.Module)
    with torch.no_grad():
        drawn: torch.Tensor = network(amplitude) * output_factor(model, setup.torch.net, modulus)
    return drawn


def _difference(patches: torch.Tensor) -> float:
    """The standard deviation from pattern to pattern."""
    return float(patches.std(dim=0).square().mean().sqrt())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_starts_at_the_modulus_and_sees_its_input(name: str) -> None:
    """For six seeds; no network starts with the same patch for all patterns."""
    for seed in range(6):
        drawn = _patches(NETWORKS[name], 1.0, seed)
        assert float(drawn.abs().mean()) == pytest.approx(1.0, abs=0.35), seed
        assert _difference(drawn) > DIFFERENT, seed


@pytest.mark.parametrize("name", ["cnn, swish", "cnn, sigmoid", "cnn, softplus", "cnn, relu", "cnn, real_imag", "fno"])
@pytest.mark.parametrize("modulus", [0.5, 4.0])
def test_the_modulus_is_that_of_the_scale_contract(name: str, modulus: float) -> None:
    """Every head reaches every modulus, a bounded one by the factor behind it."""
    assert float(_patches(NETWORKS[name], modulus, 0).abs().mean()) == pytest.approx(modulus, rel=0.3)


@pytest.mark.parametrize("name", ["cnn, swish", "cnn, sigmoid", "cnn, softplus", "cnn, relu", "cnn, real_imag"])
def test_weights_by_torch_alone_would_be_seen(name: str) -> None:
    """The cnn then draws the same for every pattern, and but for one head an object of another modulus."""
    assert _difference(_patches(NETWORKS[name], 1.0, 0, first=False)) < DIFFERENT / 5
