"""The unrolled network on one object."""

from functools import partial

import torch

from ptycho_config.schema import ModelConfig, TorchOptions, Unrolled
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.nets import UNet, UnrolledNet
from ptycho_torch.nets.reconstructor import Reconstructor, build_model
from ptycho_torch.physics.diffraction import mode_sum_intensity
from ptycho_torch.physics.patches import cut
from ptycho_torch.physics.projection import back_project, object_gradient, regularised_power
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.physics.tiles import map_in_tiles
from ptycho_torch.reconstruction.predict import predict
from ptycho_torch.reconstruction.scan_measurements import ScanMeasurements
from ptycho_torch.records import Batch, Dataset, Scan
from tests.strategies.fields import complex_field
from tests.strategies.patches import place

CENTRES = torch.tensor([[[8, 8], [11, 9], [9, 13]]])
Views = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _model(stages: int, *, learned: bool = False) -> Reconstructor:
    options = TorchOptions(net=Unrolled(width=8, stages=stages, stitched=True))
    model = build_model(ModelConfig(architecture="unrolled"), options, seed=0)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if learned and isinstance(module, UNet):
            torch.nn.init.normal_(module.head.weight, std=0.1, generator=generator)
    if learned:
        assert isinstance(model.network, UnrolledNet)
        torch.nn.init.constant_(model.network.momentum, 0.3)
    return model


def _views() -> Views:
    """Three overlapping patterns of two modes that start from one object."""
    amplitude = complex_field(1, 3, 16, 16, seed=1, dtype=torch.complex64).abs()
    probe = complex_field(1, 3, 2, 16, 16, seed=2, dtype=torch.complex64)
    object_ = 1 + 0.2 * complex_field(1, 21, 21, seed=3, dtype=torch.complex64)
    return amplitude, probe, cut(object_, (CENTRES - 8).float(), 16), CENTRES


def test_before_training_it_is_one_step_of_all_patterns_together() -> None:
    """The steps of overlapping patterns, added and divided by their summed light."""
    amplitude, probe, initial, centres = _views()
    corner = (centres - 8).float()
    light = place(mode_sum_intensity(probe), corner, 21, 21)
    steps = place(back_project(initial, probe, amplitude), corner, 21, 21)
    expected = initial + cut(steps / regularised_power(light, Unrolled().alpha), corner, 16)
    torch.testing.assert_close(_model(1).network(*_views()), expected)


def test_alone_a_pattern_takes_the_step_of_the_network_of_single_patterns() -> None:
    """With nothing to overlap there is nothing to agree on."""
    amplitude, probe, initial, centres = (view[:, :1] for view in _views())
    expected = initial + object_gradient(initial, probe, amplitude, Unrolled().alpha)
    torch.testing.assert_close(_model(1).network(amplitude, probe, initial, centres), expected)


def test_patches_agree() -> None:
    """Where two patches overlap they are equal, so no term of the loss has to ask for it."""
    patches = _model(2, learned=True).network(*_views())[0]
    torch.testing.assert_close(patches[0, 3:, 1:], patches[1, :-3, :-1])


def test_a_phase_factor_of_the_start_is_kept() -> None:
    """`O_0 -> O_0 exp(i t)` gives `O -> O exp(i t)`: the range of an object's phase does not matter."""
    network = _model(2, learned=True).network
    amplitude, probe, initial, centres = _views()
    turn = torch.polar(torch.tensor(1.0), torch.tensor(2.5))
    turned = network(amplitude, probe, initial * turn, centres)
    torch.testing.assert_close(turned, network(*_views()) * turn, rtol=1e-4, atol=1e-4)


def test_every_parameter_learns() -> None:
    """No parameter is built and then left without a gradient."""
    network = _model(2, learned=True).network
    network(*_views()).abs().square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def _scan(start: str) -> Scan:
    made = simulate_scan(natural_object("camera", "coins", 90), seed=0)
    scan = normalise(Dataset("simulated", made.counts, made.position_yx, made.probe))
    options = TorchOptions(net=Unrolled(start="coarse" if start == "coarse" else "flat"))
    return with_initial_object(scan, options)


def test_a_scan_in_batches_is_one_cluster_of_all_its_patterns() -> None:
    """What is trained on clusters is what reconstructs scans, in batches of any size."""
    model, scan = _model(2, learned=True), _scan("flat")
    rows = torch.arange(len(scan.centre_yx))
    whole = Batch(scan.amplitude[rows][None], scan.probe, scan.centre_yx[None], scan.fraction_yx[None], 1)
    with torch.no_grad():
        expected = model(whole).patches[0]
    made = predict(model, scan, rows[:, None], 7, torch.device("cpu"))
    patches = torch.cat([prediction.patches[:, 0] for _, prediction in made])
    torch.testing.assert_close(patches, expected, rtol=1e-4, atol=1e-4)


def test_what_is_kept_from_stage_to_stage_changes_nothing() -> None:
    """A scan too large to be kept gives the same object to the last bit."""
    model, scan = _model(2, learned=True), _scan("flat")
    objects, kept = [], []
    for room in (0, 10**6, 10**9):
        measured = ScanMeasurements(scan, torch.arange(len(scan.centre_yx)), scan.probe, 7, torch.device("cpu"), room)
        with torch.inference_mode():
            objects.append(model.reconstruct(measured))
        kept.append(len(measured.kept))
        assert measured.room >= 0
    assert 0 == kept[0] < kept[1] < kept[2]
    assert torch.equal(objects[0], objects[1])
    assert torch.equal(objects[0], objects[2])


def test_a_scan_starts_from_its_first_guess() -> None:
    """The coarse object is what the first step sees."""
    model, rows = _model(1), torch.arange(4)[:, None]
    coarse, flat = (
        torch.cat([p.patches for _, p in predict(model, _scan(start), rows, 2, torch.device("cpu"))])
        for start in ("coarse", "flat")
    )
    assert not torch.allclose(coarse, flat, atol=1e-2)


class _Shortsighted(UnrolledNet):
    """Says that it looks less far than it does."""

    @property
    def reach(self) -> int:
        """A third of the truth."""
        return super().reach // 3


def test_a_large_object_moves_in_tiles_as_it_moves_whole() -> None:
    """Tiles with what the network looks at around them agree with the whole; with less they do not."""
    network, shortsighted = (cls(8, 2, 1, 0.1) for cls in (UnrolledNet, _Shortsighted))
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        # Without it what comes from far away is lost in rounding.
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    shortsighted.load_state_dict(network.state_dict())
    object_, velocity, step, light = (complex_field(1, 150, 131, seed=seed).cfloat() for seed in range(4))
    canvases = (object_, velocity, step, light.abs())
    peak = light.abs().amax(dim=(-2, -1), keepdim=True)

    def tiled(of: UnrolledNet, tile: int) -> torch.Tensor:
        return map_in_tiles(partial(of.movement, 0, peak), canvases, of.reach, of.multiple, tile)

    with torch.inference_mode():
        whole = network.movement(0, peak, *canvases)
        torch.testing.assert_close(tiled(network, 512), whole)
        torch.testing.assert_close(tiled(network, 24), whole, rtol=1e-5, atol=1e-5)
        broken = tiled(shortsighted, 24)
    assert not torch.allclose(broken, whole, rtol=1e-4, atol=1e-4)
