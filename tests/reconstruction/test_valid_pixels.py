"""What was not measured counts for nothing."""

import numpy as np
import pytest
import torch

from ptycho_config.schema import ModelConfig, OverlapOptions, RefineOptions, TorchOptions, Unrolled
from ptycho_torch.data.batches import cluster_dataset
from ptycho_torch.data.scan import Statistics, normalise, with_initial_object
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from ptycho_torch.reconstruction.predict import predict
from ptycho_torch.reconstruction.r_factor import r_factor
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Batch, Canvas, Dataset, Groups, Prediction
from ptycho_torch.training.losses import cluster_loss, poisson_deviance

MADE = simulate_scan(natural_object("camera", "coins", 100), seed=0)
BAD = np.zeros((64, 64), bool)
BAD[30:34, 20:50] = True
CANVAS = Canvas(MADE.truth, np.ones(MADE.truth.shape, np.float32), (0, 0))


def _dataset(counts: np.ndarray, bad: np.ndarray | None) -> Dataset:
    valid = None if bad is None else ~bad
    return Dataset("simulated", counts, MADE.position_yx, MADE.probe, valid_pixels=valid)


def test_the_r_factor_leaves_bad_pixels_out() -> None:
    """With garbage in bad pixels it is that of the good ones; unmarked garbage is seen."""
    spoilt = MADE.counts.copy()
    spoilt[:, BAD] = 1e6
    marked = r_factor(normalise(_dataset(spoilt, BAD)), CANVAS)
    assert marked < 0.01
    assert r_factor(normalise(_dataset(spoilt, None)), CANVAS) > 0.5


def _batch(valid_pixels: torch.Tensor | None, fill: float) -> Batch:
    scan = normalise(_dataset(MADE.counts, BAD))
    members = np.array([[0], [1]])
    data = cluster_dataset(scan, Groups(members, np.array([[1], [2]])), torch.arange(2), 1)
    batch = data[[0, 1], 0]
    assert batch.valid_pixels is not None
    amplitude = torch.where(batch.valid_pixels, batch.amplitude, torch.tensor(fill))
    return batch._replace(
        amplitude=amplitude, valid_pixels=batch.valid_pixels if valid_pixels is None else valid_pixels
    )


def _loss(batch: Batch) -> torch.Tensor:
    patches = torch.ones(2, 2, 64, 64, dtype=torch.complex64, requires_grad=True)
    probes = batch.probe.expand(2, 2, *batch.probe.shape)
    overlap = OverlapOptions(partners=1, weight=1.0)
    terms = cluster_loss(Prediction(patches, probes), batch, poisson_deviance, overlap, merge=True)
    (gradient,) = torch.autograd.grad(terms.total, patches)
    return torch.cat([terms.total.detach().reshape(1), gradient.abs().flatten()])


def test_the_loss_does_not_depend_on_bad_pixels() -> None:
    """Neither value nor gradient, in both terms; without the mark they do."""
    assert torch.equal(_loss(_batch(None, 0.0)), _loss(_batch(None, 50.0)))
    everything = torch.ones(64, 64, dtype=torch.bool)
    assert not torch.allclose(_loss(_batch(everything, 0.0)), _loss(_batch(everything, 50.0)))


def test_a_mask_without_bad_pixels_is_no_mask() -> None:
    """So that a clean detector costs nothing."""
    scan = normalise(_dataset(MADE.counts, np.zeros_like(BAD)))
    assert scan.valid_pixels is None


def test_no_step_of_the_network_depends_on_bad_pixels() -> None:
    """Coarse start and projection steps are the same whatever stands there; unmarked they are not."""
    spoilt = MADE.counts.copy()
    spoilt[:, BAD] = 1e4
    options = TorchOptions(net=Unrolled(width=4, stages=2))
    model = build_model(ModelConfig(architecture="unrolled"), options, seed=0)
    drawn = []
    for counts, bad in ((MADE.counts, BAD), (spoilt, BAD), (spoilt, None)):
        scan = normalise(_dataset(counts, bad), statistics=Statistics(3.0, 1.0, None, 1))
        scan = with_initial_object(scan, options)
        rows = torch.arange(len(scan.centre_yx))[:, None]
        with torch.inference_mode():
            ((_, prediction),) = predict(model, scan, rows, len(rows), torch.device("cpu"))
        drawn.append(prediction.patches)
    torch.testing.assert_close(drawn[0], drawn[1])
    assert not torch.allclose(drawn[0], drawn[2], rtol=1e-2)


def test_no_refinement_depends_on_bad_pixels() -> None:
    """Neither object nor history, whatever stands there, nor in a pattern that is dark elsewhere; unmarked
    they do."""
    found = []
    for fill, bad in ((0.0, BAD), (1e4, BAD), (1e-3, BAD), (1e4, None)):
        counts = MADE.counts.copy()
        counts[3] = 0
        counts[:, BAD] = fill
        scan = normalise(_dataset(counts, bad), statistics=Statistics(3.0, 1.0, None, 1))
        start = torch.ones(MADE.truth.shape, dtype=torch.complex64)
        options = RefineOptions(passes=3, batch=8)
        rng = np.random.default_rng(0)
        found.append(refine(scan, start, (0, 0), options, rng=rng, device=torch.device("cpu")))
    for other in found[1:3]:
        torch.testing.assert_close(other.object, found[0].object)
        assert other.history == pytest.approx(found[0].history)
    assert not torch.allclose(found[3].object, found[0].object, rtol=1e-2)
