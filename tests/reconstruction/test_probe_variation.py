"""A probe that varies from pattern to pattern: found where it does, and one probe for all where it does not."""

from functools import cache
from pathlib import Path

import attrs
import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ptycho_config import ConfigError, parse
from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise, with_coarse_object
from ptycho_torch.evaluation.metrics import contrast_and_detail
from ptycho_torch.output.product import write_product
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.physics.simulate import Complex, expected_counts, jittered_raster, natural_object
from ptycho_torch.reconstruction.refine_dataset import RefinedDataset, refine_dataset
from ptycho_torch.records import Dataset
from ptycho_torch.simulation.probes import defocus, lens_probe

CPU = torch.device("cpu")
SIDE, MARGIN = 64, 34
IMAGES = (("camera", "coins"), ("astronaut", "horse"))


@cache
def _scan(seed: int, kind: str, rows: int = 15) -> tuple[Dataset, Complex]:
    """A scan of 1e6 photons a pattern whose probe drifts in focus, its tilt swings, or that keeps still, and its
    truth."""
    rng = np.random.default_rng(seed)
    truth = natural_object(*IMAGES[seed], SIDE + 8 + 6 * (rows - 1))
    position = jittered_raster(rows, rows, 6.0, 1.5, SIDE / 2 + 2.5, rng)
    probe, x = lens_probe(SIDE, 0.44, 0.2, 17.0), np.arange(SIDE) - SIDE / 2
    counts = np.empty((len(position), SIDE, SIDE), np.float32)
    for row, time in enumerate(np.linspace(-1, 1, len(position))):
        now = probe
        if kind == "focus":
            now = defocus(probe, 3.0 * time)
        if kind == "tilt":
            now = (probe * np.exp(0.04j * np.sin(7 * time + 1) * x)).astype(np.complex64)
        counts[row] = expected_counts(truth, now, position[row : row + 1])[0]
    scale = 1e6 / counts.sum((1, 2)).mean()
    noisy = rng.poisson(counts * scale).astype(np.float32)
    return Dataset("varied", noisy, position, (probe * np.sqrt(scale)).astype(np.complex64)), truth


def _refined(dataset: Dataset, components: int, passes: int = 12) -> RefinedDataset:
    options = RefineOptions(unknown=(), passes=passes, refine_probe=True, probe_components=components)
    scan = with_coarse_object(normalise(dataset))
    assert scan.initial is not None
    y, x = canvas_of(scan.centre_yx, SIDE)[0].long().tolist()
    return refine_dataset(dataset, scan, scan.initial, (y, x), options, seed=0, device=CPU, visible=False)


def _score(made: RefinedDataset, truth: Complex) -> tuple[float, float]:
    y, x = made.canvas.origin_yx
    low, high = MARGIN, len(truth) - MARGIN
    inner = made.canvas.object[low - y : high - y, low - x : high - x]
    return contrast_and_detail(inner, truth[low:high, low:high])


def _drift(made: RefinedDataset, expected: NDArray[np.float64]) -> float:
    """How well the weights of the strongest component follow what was expected, up to a factor."""
    assert made.dataset.weights is not None
    return float(abs(np.corrcoef(made.dataset.weights[:, 0], expected)[0, 1]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["focus", "tilt"])
def test_components_follow_a_probe_that_varies_and_the_object_is_better(seed: int, kind: str) -> None:
    """Weights follow a drift of the focus and a swing of the tilt; the object has a third less error than with one."""
    dataset, truth = _scan(seed, kind)
    time = np.linspace(-1, 1, len(dataset.intensity))
    one, several = _refined(dataset, 0, passes=76), _refined(dataset, 2)
    assert several.components is not None
    assert several.components.kept
    (contrast, detail), (old_contrast, old_detail) = _score(several, truth), _score(one, truth)
    assert 1 - contrast < 0.7 * (1 - old_contrast)
    assert 1 - detail < 0.7 * (1 - old_detail)
    assert _drift(several, time if kind == "focus" else np.sin(7 * time + 1)) > 0.95


def test_one_probe_that_explains_all_stays() -> None:
    """Components that held-back pixels do not ask for change nothing."""
    dataset, _ = _scan(0, "still", 8)
    one, asked = _refined(dataset, 0), _refined(dataset, 2)
    assert asked.components is not None
    assert not asked.components.kept
    assert asked.dataset.components is None
    np.testing.assert_array_equal(asked.canvas.object, one.canvas.object)


def test_the_product_has_components_after_the_mean_probe(tmp_path: Path) -> None:
    """The probe of each pattern is the sum of the stored ones with the stored weights."""
    dataset, _ = _scan(0, "still", 9)
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(len(dataset.intensity), 2)).astype(np.float32)
    components = rng.normal(size=(2, SIDE, SIDE)).astype(np.complex64)
    varied = attrs.evolve(dataset, components=components, weights=weights)
    write_product(tmp_path / "product.h5", varied, _refined(dataset, 0, 3).canvas, [])
    with h5py.File(tmp_path / "product.h5") as product:
        probes, factors = product["probe"][:, 0], product["opr_weights"][()]
    expected = dataset.probe[0] + np.einsum("jk,kyx->jyx", weights, components)
    np.testing.assert_allclose(np.einsum("jl,lyx->jyx", factors, probes), expected, rtol=1e-4, atol=1e-3)


def test_components_without_passes_are_refused() -> None:
    """An option that has no effect is an error."""
    with pytest.raises(ConfigError, match=r"probe_components.*would have no effect"):
        parse(RefineOptions, {"probe_components": 2, "passes": 0})(RefineOptions())
