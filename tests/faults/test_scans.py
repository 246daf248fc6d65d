"""Every row of docs/faults.md: the fault is named from the scan alone, and good scans are sound."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

from ptycho_torch.judgement.beam import beam_evidence
from ptycho_torch.judgement.orientation import RECORDED
from ptycho_torch.judgement.scan import judge_scan
from ptycho_torch.verdict import judge
from tests.faults.scans import FAULTS, GOOD, IMAGES, SEEDS, good
from tests.faults.test_fits import AFTER

Change = Callable[[Any], Any]
PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str, seed: int) -> None:
    """With its numbers, as the worst of the evidence; nothing else is called wrong."""
    fault, evidence, words = FAULTS[name]
    found = judge_scan(fault(good(seed=seed, images=IMAGES[seed]))).evidence
    worse = {one.name: one.text for one in found if one.level != "sound"}
    assert set(worse) == {evidence}
    assert words in worse[evidence]


@pytest.mark.parametrize("options", [{"photons": 6e3}, {"phase": 0.1, "darkest": 0.98, "photons": 2e6}])
def test_another_order_is_named_at_few_photons_and_of_a_weak_phase(options: dict[str, float]) -> None:
    """Where a reconstruction hardly shows the object."""
    found = judge_scan(FAULTS["shuffled"][0](good(seed=1, images=IMAGES[1], **options))).evidence
    assert [one.name for one in found if one.level == "wrong"] == ["order"]


@pytest.mark.parametrize(("rows", "words"), [([0], "one pattern alone"), ([0, 12, 156, 168], "do not overlap")])
def test_patterns_without_a_neighbour_are_doubtful(rows: list[int], words: str) -> None:
    """A single one, and the corners of a scan."""
    found = judge(judge_scan(good().select(np.array(rows))).evidence)
    assert found.level == "doubtful"
    assert words in found.sentences[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("words", "change"),
    [
        ("rows and columns exchanged", lambda counts: counts.swapaxes(1, 2)),
        ("columns reversed", lambda counts: np.roll(counts[..., ::-1], 1, axis=2)),
    ],
)
def test_patterns_that_are_turned_against_an_astigmatic_probe(words: str, change: Change, seed: int) -> None:
    """With the step that turns them back; positions that are turned do not fit such a probe."""
    scan = good(seed=seed, images=IMAGES[seed], astigmatism=2.0)
    found = judge_scan(attrs.evolve(scan, intensity=np.ascontiguousarray(change(scan.intensity[:])))).evidence
    assert judge(judge_scan(scan).evidence).level == "sound"
    wrong = [one for one in found if one.level == "wrong"]
    assert len(wrong) == 1
    assert f"patterns with {words}" in wrong[0].text
    assert "ptycho prepare IN OUT turn." in wrong[0].remedy


@pytest.mark.parametrize("name", ["x and y exchanged", "positions negated", "x negated"])
def test_the_orientation_is_applied(name: str) -> None:
    """Then the scan is sound, and the positions are those of the good scan but for a shift."""
    scan = good()
    fixed = judge_scan(FAULTS[name][0](scan), fix_orientation=True)
    moved = fixed.dataset.position_yx - scan.position_yx
    np.testing.assert_allclose(moved, np.broadcast_to(moved[0], moved.shape), atol=1e-9)
    assert judge(fixed.evidence).level == "sound"
    assert judge_scan(fixed.dataset).orientation == RECORDED


def test_patterns_that_do_not_measure_are_left_out() -> None:
    """Of patterns and positions alike, by index."""
    judged = judge_scan(FAULTS["dark patterns"][0](good()))
    assert judged.rows is not None
    assert sorted(set(range(len(good().position_yx))) - set(judged.rows.tolist())) == [5, 60, 61]
    np.testing.assert_array_equal(judged.dataset.position_yx, good().position_yx[judged.rows])


def test_a_figure_that_is_not_finite_is_none() -> None:
    """As JSON has none; the probe against patterns in which no pixel measures."""
    dark = good().probe[0].real * 0
    found = beam_evidence(dark, dark + 1, whole=True, squared=False, squares=False)
    assert [one.value for one in found if one.name == "probe power"] == [None]


def test_the_page_lists_every_fault_and_every_good_scan() -> None:
    """One row each."""
    rows = re.findall(r"^\| ([^|]+?) +\|", PAGE.read_text(), re.MULTILINE)
    assert {row for row in rows if row in FAULTS} == set(FAULTS)
    assert {row for row in rows if row in GOOD} == set(GOOD)
    assert set(AFTER) <= set(rows)
