"""All networks: shapes, published sizes, nothing built in vain, and each option matters."""

from importlib.util import find_spec
from typing import Any, get_args

import attrs
import pytest
import torch
from torch import nn

from ptycho_config.schema import Cnn, Ffno, Fno, FnoVanilla, ModelConfig, NeuralopUno, TorchOptions, Unrolled
from ptycho_config.schema import Network as NetworkOptions
from ptycho_config.schema.networks import Architecture
from ptycho_config.schema.specs import kind_of
from ptycho_torch.nets.cnn import CnnNet
from ptycho_torch.nets.fourier import ffno, fno, fno_vanilla
from ptycho_torch.nets.network import NETWORKS, Network, ObjectNetwork
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from tests.strategies.fields import complex_field

Member = Cnn | Fno | FnoVanilla | Ffno | NeuralopUno | Unrolled


def _build(net: Member, **model: Any) -> Reconstructor:
    config = ModelConfig(architecture=kind_of(type(net)), **model)  # type: ignore[arg-type] # the kind
    return build_model(config, TorchOptions(net=net), seed=0)


def _input(clusters: int, size: int, side: int) -> tuple[torch.Tensor, ...]:
    amplitude = complex_field(clusters, size, side, side, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(clusters, size, 1, side, side, seed=2, dtype=torch.complex64)
    centres = torch.arange(size)[:, None].expand(clusters, size, 2)
    return amplitude, probe, torch.ones_like(probe[:, :, 0]), centres


@pytest.mark.parametrize(
    "net",
    [Cnn(), Fno(), FnoVanilla(), Ffno(), Unrolled(width=4), Unrolled(width=4, stitched=False)],
    ids=lambda n: type(n).__name__,
)
@pytest.mark.parametrize(("side", "gridsize"), [(64, 1), (64, 2), (64, 3), (128, 1)])
def test_patches_have_the_shape_of_the_patterns(net: Member, side: int, gridsize: int) -> None:
    """Complex, finite, for every size of a group."""
    model = _build(net, N=side, gridsize=gridsize)
    with torch.no_grad():
        patches = model.network(*_input(2, gridsize**2, side))
    assert patches.shape == (2, gridsize**2, side, side)
    assert patches.dtype == torch.complex64
    assert bool(torch.isfinite(torch.view_as_real(patches)).all())


@pytest.mark.parametrize(
    "net",
    [Cnn(), Fno(), FnoVanilla(), Ffno(), Unrolled(width=4), Unrolled(width=4, stitched=False)],
    ids=lambda n: type(n).__name__,
)
def test_options_and_network_state_the_same_facts(net: Member) -> None:
    """Constraints read the options, reconstruction asks the network."""
    network = _build(net).network
    assert isinstance(network, Network)
    assert (network.sees, network.fixes_scale) == (net.sees, net.fixes_scale)
    assert isinstance(network, ObjectNetwork) == (net.sees == "object")


def test_every_built_in_network_is_registered() -> None:
    """A kind of the configuration without a factory would fail only when it is built."""
    kinds = set(get_args(Architecture)) - {"external"}
    assert set(NETWORKS.built_in) == kinds
    assert {kind_of(member) for member in get_args(NetworkOptions)} == kinds | {"external"}


def test_a_name_is_registered_once() -> None:
    """A second part of the same name would hide the first."""
    with pytest.raises(ValueError, match="there is a network 'cnn' already"):
        NETWORKS.add("cnn")(nn.Identity)


def test_the_largest_pattern() -> None:
    """256 px."""
    with torch.no_grad():
        assert _build(Cnn(), N=256).network(*_input(1, 1, 256)).shape == (1, 1, 256, 256)


def test_a_cluster_that_cannot_be_grouped_is_refused() -> None:
    """Five patterns are no groups of four."""
    with pytest.raises(ValueError, match="cannot be cut into groups of 4"):
        _build(Cnn(), gridsize=2).network(*_input(1, 5, 64))


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("side", "gridsize", "encoder", "decoder"),
    [
        (64, 1, 1_155_778, 592_057),
        (64, 2, 1_157_506, 597_112),
        (128, 1, 1_183_462, 1_772_217),
        (128, 2, 1_184_326, 1_777_272),
        (256, 1, 1_190_409, 5_902_009),
    ],
)
def test_the_cnn_has_the_published_size(side: int, gridsize: int, encoder: int, decoder: int) -> None:
    """Encoder and each decoder, as measured on the replaced system."""
    network = CnnNet(ModelConfig(N=side, gridsize=gridsize), Cnn())
    assert _size(network.encoder) == encoder
    assert [_size(decoder) for decoder in network.decoder.children()] == [decoder, decoder]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (Cnn(cbam_encoder=False), 2_328_374),
        (Cnn(batch_norm=True), 2_342_716),
        (Cnn(use_shared_decoder=True), 2_487_529),
        (Cnn(cbam_bottleneck=True), 2_348_458),
        (Cnn(use_legacy_decoder_channel_override=True), 2_347_834),
    ],
)
def test_variants_of_the_cnn_have_the_published_size(options: Cnn, size: int) -> None:
    """The replaced system counts four scalars more, of its forward models."""
    assert _size(CnnNet(ModelConfig(), options)) + 4 == size


@pytest.mark.parametrize(("gridsize", "sizes"), [(1, (656_002, 636_450, 88_227)), (2, (657_064, 637_512, 89_289))])
def test_the_operators_have_the_published_size(gridsize: int, sizes: tuple[int, int, int]) -> None:
    """Fourier blocks with the half plane that they have there."""
    model = ModelConfig(gridsize=gridsize)
    made = (fno(model, negative_rows=False), fno_vanilla(model, negative_rows=False), ffno(model))
    assert tuple(map(_size, made)) == sizes


VARIANTS: dict[str, tuple[Member, dict[str, Any]]] = {
    "cnn": (Cnn(), {}),
    "real and imaginary": (Cnn(cnn_output_mode="real_imag"), {}),
    "shared decoder": (Cnn(use_shared_decoder=True), {}),
    "batch norm": (Cnn(batch_norm=True), {}),
    "no attention": (Cnn(cbam_encoder=False), {}),
    "eca encoder": (Cnn(cbam_encoder=False, eca_encoder=True), {}),
    "bottleneck": (Cnn(cbam_bottleneck=True), {}),
    "cbam decoder": (Cnn(cbam_decoder=True), {}),
    "eca decoder": (Cnn(eca_decoder=True), {}),
    "spatial decoder": (Cnn(spatial_decoder=True), {}),
    "spatial kernel": (Cnn(spatial_decoder=True, decoder_spatial_kernel=3), {}),
    "channel override": (Cnn(use_legacy_decoder_channel_override=True), {}),
    "centre only": (Cnn(), {"probe_big": False}),
    "sigmoid": (Cnn(), {"amp_activation": "sigmoid"}),
    "relu": (Cnn(), {"amp_activation": "relu"}),
    "swish": (Cnn(), {"amp_activation": "swish"}),
    "wider": (Cnn(), {"n_filters_scale": 1}),
    "fno": (Fno(), {}),
    "fewer modes": (Fno(), {"fno_modes": 6}),
    "narrower": (Fno(), {"fno_width": 16}),
    "fewer blocks": (Fno(), {"fno_blocks": 2}),
    "no convolutions": (Fno(), {"fno_cnn_blocks": 0}),
    "square root": (Fno(), {"fno_input_transform": "sqrt"}),
    "logarithm": (Fno(), {"fno_input_transform": "log1p"}),
    "instance norm": (Fno(), {"fno_input_transform": "instancenorm"}),
    "copies": (Fno(), {"learned_input_channels": 2}),
    "logits": (Fno(), {"generator_output_mode": "amp_phase_logits"}),
    "two heads": (Fno(), {"generator_output_mode": "amp_phase"}),
    "vanilla": (FnoVanilla(), {}),
    "ffno": (Ffno(), {}),
}
# Two spellings of one network: a 1x1 convolution to both parts, or one for each.
SAME = {"logits": "two heads"}


@pytest.fixture(scope="module")
def patches() -> dict[str, torch.Tensor]:
    """What each variant makes of one input, from one seed."""
    made = {}
    for name, (net, model) in VARIANTS.items():
        network = _build(net, **({"amp_activation": "softplus"} | model))
        with torch.no_grad():
            made[name] = network.network(*_input(1, 1, 64))
    return made


@pytest.mark.parametrize("name", VARIANTS)
def test_every_option_changes_what_the_network_does(name: str, patches: dict[str, torch.Tensor]) -> None:
    """No option is accepted and then without effect."""
    for other, value in patches.items():
        if other != name and name not in (SAME.get(other), other) and SAME.get(name) != other:
            assert not torch.allclose(patches[name], value), other


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "centre only"])
def test_every_parameter_of_a_network_learns(name: str) -> None:
    """Nothing is built and then left without a gradient."""
    net, model = VARIANTS[name]
    network = _build(net, **({"amp_activation": "softplus"} | model)).network
    patches = network(*_input(2, 1, 64))
    target = complex_field(*patches.shape, seed=9, dtype=torch.complex64)
    torch.view_as_real(patches - target).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_a_gate_that_is_never_applied_would_be_seen() -> None:
    """A module that is built but not called leaves its parameters without a gradient."""
    network = _build(Cnn(cbam_bottleneck=True)).network
    assert isinstance(network, nn.Module)
    inner: Any = network.network
    inner.unused = nn.Linear(2, 2)
    torch.view_as_real(network(*_input(1, 1, 64))).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == [
        "network.unused.weight",
        "network.unused.bias",
    ]


def test_weights_depend_on_the_seed_alone() -> None:
    """The same seed, the same network; complex weights included."""
    first, again = (_build(Fno()).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    config = ModelConfig(architecture="fno")
    other = build_model(config, TorchOptions(net=Fno()), seed=1).state_dict()
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_border_has_the_range_of_the_centre() -> None:
    """Amplitudes of a sigmoid lie in [0, 1] everywhere."""
    network = _build(Cnn(), amp_activation="sigmoid")
    with torch.no_grad():
        amplitude = network.network(*_input(1, 1, 64)).abs()
    assert float(amplitude.max()) <= 1.0 + 1e-6


@pytest.mark.skipif(find_spec("neuralop") is not None, reason="the optional package is installed")
def test_a_network_whose_package_is_missing_says_how_to_get_it() -> None:
    """Not an ImportError from somewhere inside."""
    with pytest.raises(RuntimeError, match=r"pip install 'ptycho\[neuralop\]'"):
        _build(NeuralopUno(), N=128)


def test_the_uno_runs_where_its_package_is_installed() -> None:
    """Its shape and its published size."""
    pytest.importorskip("neuralop", reason="the optional package neuraloperator is not installed")
    network = _build(NeuralopUno(), N=128).network
    assert network(*_input(1, 1, 128)).shape == (1, 1, 128, 128)
    assert _size(network) == 1_257_858


def test_options_are_all_there() -> None:
    """Every option of the cnn has a variant above that changes it."""
    changed = {
        attribute.name
        for net, _ in VARIANTS.values()
        if isinstance(net, Cnn)
        for attribute in attrs.fields(Cnn)
        if getattr(net, attribute.name) != attribute.default
    }
    assert {attribute.name for attribute in attrs.fields(Cnn)} - changed == {"decoder_last_c_outer_fraction"}
