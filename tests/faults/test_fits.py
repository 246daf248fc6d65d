"""Good scans and their true objects are sound; what no scan shows before its reconstruction is named after it."""

import re
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise
from ptycho_torch.judgement.consecutive import ResidualProducts, shared_noise_evidence
from ptycho_torch.judgement.fit import Fit, fit_evidence, judge_fit, measure_fit
from ptycho_torch.judgement.scan import Judged, judge_scan
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.reconstruction.refine_dataset import refine_dataset
from ptycho_torch.records import Canvas, Dataset
from ptycho_torch.verdict import Verdict, judge
from tests.faults.scans import GOOD, IMAGES, SEEDS, good, true_object

CPU = torch.device("cpu")


def _judge(judged: Judged, object_: Any) -> Verdict:
    canvas = Canvas(object_, np.ones(object_.shape, np.float32), (0, 0))
    return judge_fit(measure_fit(normalise(judged.dataset), canvas, CPU), judged, judged.dataset)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", GOOD)
def test_a_good_scan_and_its_true_object_are_sound(name: str, seed: int) -> None:
    """At few photons, with weak and thick phase, little overlap, and modes."""
    options = {"seed": seed, "images": IMAGES[seed], **GOOD[name]}
    judged = judge_scan(good(**options))
    for verdict in (judge(judged.evidence), _judge(judged, true_object(**options))):
        assert (verdict.level, verdict.sentences) == ("sound", ())


def _swapped(dataset: Dataset) -> Dataset:
    position = dataset.position_yx.copy()
    position[[40, 120]] = position[[120, 40]]
    return attrs.evolve(dataset, position_yx=position)


def _odd_gain(dataset: Dataset) -> Dataset:
    counts = np.array(dataset.intensity[:])
    counts[:, [9, 11, 14, 17, 20], [12, 20, 15, 10, 18]] *= 3
    return attrs.evolve(dataset, intensity=counts)


AFTER: dict[str, tuple[Callable[[Dataset], Dataset], str, str, str]] = {
    "two positions exchanged": (_swapped, "misfit of patterns", "doubtful", "2 have over 15 times: 40, 120"),
    "gain of pixels": (_odd_gain, "misfit of pixels", "wrong", "1 % of the pixels"),
}


@pytest.mark.parametrize("photons", [2e5, 1e8])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", AFTER)
def test_what_only_the_object_shows_is_named(name: str, seed: int, photons: float) -> None:
    """With the patterns, or the pixels; the scan alone is sound."""
    fault, evidence, level, words = AFTER[name]
    options = {"seed": seed, "images": IMAGES[seed], "photons": photons}
    verdict = _judge(judge_scan(fault(good(**options))), true_object(**options))
    found = {one.name: (one.level, one.text) for one in verdict.evidence if one.level != "sound"}
    assert set(found) == {evidence}
    assert found[evidence][0] == level
    assert words in found[evidence][1]


def _jumped(row: int) -> Dataset:
    """A scan whose stage slips by 7 px before a row."""
    slip = np.where(np.arange(len(good().position_yx)) < row, 0.0, 7.0)
    return attrs.evolve(good(), position_yx=good().position_yx + np.stack([0 * slip, slip], axis=1))


@pytest.mark.parametrize(("row", "noise"), [(70, 0.0), (90, 0.0), (90, 0.8)])
def test_a_jump_of_the_stage_is_doubtful(row: int, noise: float) -> None:
    """With its place in the scan and its distance, after a reconstruction that shows the object twice; also where so
    much of R is noise, if that leaves a part."""
    scan = normalise(_jumped(row))
    origin, height, width = canvas_of(scan.centre_yx, scan.probe.shape[-1])
    y, x = origin.long().tolist()
    flat = torch.ones(height, width, dtype=torch.complex64)
    options = RefineOptions(passes=6)
    made = refine_dataset(_jumped(row), scan, flat, (y, x), options, seed=0, device=CPU, visible=False)
    fit = measure_fit(made.scan, made.canvas, CPU)
    fit = attrs.evolve(fit, noise=noise * fit.R, flat=3 * fit.R) if noise else fit
    verdict = judge_fit(fit, judge_scan(_jumped(row)), made.dataset)
    jump = next(one for one in verdict.evidence if one.name == "jump")
    assert jump.level == "doubtful"
    found = re.search(r"about pattern (\d+) on, patterns fit positions moved by 0, -7 px", jump.text)
    assert found is not None
    assert abs(int(found[1]) - row) < 7


def _blurred() -> tuple[Judged, Any]:
    """An object that is the mean over errors of positions."""
    blurred = [gaussian_filter(part, 4.0) for part in (true_object().real, true_object().imag)]
    return judge_scan(good()), (blurred[0] + 1j * blurred[1]).astype(np.complex64)


def _noise() -> tuple[Judged, Any]:
    """An object without relation to the patterns, at few photons."""
    noise = np.random.default_rng(0).normal(0, 1.0, true_object().shape)
    return judge_scan(good(photons=300.0)), np.exp(1j * noise).astype(np.complex64)


@pytest.mark.parametrize(
    ("made", "words"), [(_blurred, "they do not agree on an object"), (_noise, "the object fits worse than a flat one")]
)
def test_an_object_that_patterns_do_not_agree_on_is_doubtful(made: Callable[[], Any], words: str) -> None:
    """Blurred by positions, or worse than a flat object."""
    assert any(words in sentence for sentence in _judge(*made()).sentences)


@pytest.mark.parametrize("seed", SEEDS)
def test_patterns_that_hold_a_part_of_the_one_before_share_its_noise(seed: int) -> None:
    """Where R does not tell."""
    options = {"seed": seed, "images": IMAGES[seed], "photons": 1e3}
    scan = good(**options)
    counts = np.array(scan.intensity[:])
    judged = judge_scan(attrs.evolve(scan, intensity=0.5 * (counts + np.roll(counts, 1, 0))))
    found = {one.name: one for one in _judge(judged, true_object(**options)).evidence}
    assert found["shared noise"].level == "doubtful"
    assert "each holds a part of the one before" in found["shared noise"].text


@pytest.mark.parametrize("share", [0.0, 0.7])
def test_what_a_model_leaves_in_all_frames_is_no_shared_noise(share: float) -> None:
    """However frames are added; a part of the noise of the frame before is."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(60, 16, 16))
    residual = torch.from_numpy(noise[1:] + share * noise[:-1] + rng.normal(size=(16, 16)))
    products = ResidualProducts(len(residual))
    for part in residual.split([1, 7, 2, 1, 48]):
        products.add(part)
    (found,) = shared_noise_evidence(products.shares(), 1.0)
    assert found.level == ("doubtful" if share else "sound")
    assert found.value == pytest.approx(share / (2 + share**2), abs=0.02)


@pytest.mark.parametrize(("r_factor", "level"), [(0.05, "doubtful"), (0.002, "sound")])
def test_places_tell_nothing_where_all_is_explained(r_factor: float, level: str) -> None:
    """As of a wedge, which is the same everywhere."""
    flat_fit = Fit(
        np.zeros((8, 8)),
        np.full(9, r_factor),
        R=r_factor,
        flat=0.14,
        noise=1e-4,
        moved=0.93,
        excess=np.zeros(9),
        shared=np.zeros(7),
    )
    found = {one.name: one.level for one in fit_evidence(flat_fit, None)}
    assert found["places"] == level


@pytest.mark.parametrize("seed", SEEDS)
def test_an_object_that_explains_nothing_is_wrong(seed: int) -> None:
    """As of a network that learned nothing, where a short reconstruction explains much."""
    judged = judge_scan(good(seed=seed, images=IMAGES[seed]))
    verdict = _judge(judged, np.ones_like(true_object(seed=seed, images=IMAGES[seed])))
    assert verdict.level == "wrong"
    assert "a short reconstruction of a part" in verdict.sentences[0]


@pytest.mark.parametrize("unit", [1.0, 0.37])
def test_noise_is_known_where_no_pattern_has_a_single_photon(unit: float) -> None:
    """As where no pixel is dark: the smallest value is two photons."""
    scan = good(photons=2e5)
    counts = np.asarray(scan.intensity[:])
    scaled = np.where(counts == 1, 2, counts) * np.float32(unit)
    two = attrs.evolve(scan, intensity=scaled, probe=scan.probe * np.float32(unit**0.5))
    canvas = Canvas(true_object(), np.ones(true_object().shape, np.float32), (0, 0))
    noise, wanted = (measure_fit(normalise(one), canvas, CPU).noise for one in (two, scan))
    assert noise == pytest.approx(wanted, rel=0.05)
