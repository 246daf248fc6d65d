"""The plan of a sweep."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from ptycho_config import ConfigError, parse, resolve
from ptycho_torch.data.readers import read_scan
from ptycho_torch.output.run_records import TrialRecord
from ptycho_torch.physics.spacing import effective_diameter, nearest_step
from ptycho_torch.simulation import Simulation
from ptycho_torch.sweep import axis
from ptycho_torch.sweep.plan import Base, Trial, plan_sweep
from ptycho_torch.sweep.results import Row, draw_sweep, summarise, table


def test_the_problems_of_base_and_axes_are_one_message(tmp_path: Path) -> None:
    """Whichever source they stand in."""
    file = tmp_path / "base.yaml"
    file.write_text("training: {nepoch: 3}\n")
    base = Base(config=file, profile="unrolled", assignments=("torch.x=1",))
    with pytest.raises(ConfigError) as caught:
        plan_sweep(base, [["training.nepochs=a", "training.nepochs=2"]], tmp_path)
    for path in ("training.nepoch:", "torch.x:", "training.nepochs:"):
        assert path in str(caught.value)


SMALL = resolve(Simulation(), parse(Simulation, ["N=32", "side_px=64", "step_px=8", "jitter_px=0"])).config


def _plan(folder: Path, *axes: str, simulation: Simulation | None = SMALL) -> tuple[Trial, ...]:
    base = Base(config=None, profile="unrolled", assignments=("training.nepochs=1",))
    return plan_sweep(base, [axis(text) for text in axes], folder, simulation)


def test_ready_axes_change_the_simulated_scan(tmp_path: Path) -> None:
    """Dose, overlap and probe error have one scan each, which its trial reconstructs and is compared with; the training
    size changes the training alone."""
    trials = _plan(tmp_path, "dose=1e4,1e6", "overlap=0.5,0.7", "training_size=16,25")
    files = [trial.base.truth for trial in trials]
    assert len(trials) == 8
    assert len(set(files)) == 4
    assert files == [trial.base.test_data for trial in trials]
    for trial in trials:
        assert trial.base.truth is not None
        scan = read_scan(trial.base.truth, "count_intensity")
        assert scan.intensity[:].sum(axis=(1, 2)).mean() == pytest.approx(trial.values["dose"], rel=0.05)
        overlap = 1 - nearest_step(scan.position_yx) / effective_diameter(np.square(np.abs(scan.probe)).sum(axis=0))
        assert overlap == pytest.approx(trial.values["overlap"], abs=0.03)
        assert trial.point == (f"training.n_subsample={trial.values['training_size']:g}",)
    error = _plan(tmp_path, "probe_error=0.5,2", "simulate.detector.background=3")
    probes = [np.load(str(trial.base.truth)) for trial in error]
    assert [list(trial.values) for trial in error] == [["probe_error", "simulate.detector.background"]] * 2
    distance = [np.linalg.norm(one["probeGuess"] - one["truth_modes"]) for one in probes]
    assert 0 < distance[0] < distance[1]


@pytest.mark.parametrize(
    ("text", "simulation", "sentence"),
    [
        ("dose=1e4,1e5", None, "give --simulate"),
        ("simulate.N=64", None, "give --simulate"),
        ("overlap=1.2", SMALL, "less than 1"),
        ("simulate.detektor.photons=1", SMALL, "did you mean"),
        ("dose=-1", SMALL, "greater than 0"),
    ],
)
def test_axes_that_cannot_be_are_refused(
    text: str, simulation: Simulation | None, sentence: str, tmp_path: Path
) -> None:
    """Before anything is simulated."""
    with pytest.raises(ConfigError, match=sentence):
        _plan(tmp_path, text, simulation=simulation)
    assert not list(tmp_path.iterdir())


def _rows(folder: Path) -> list[Row]:
    def row(dose: float, width: int, seed: int) -> Row:
        values = {"dose": dose, "torch.net.width": width, "seed": seed}
        result = TrialRecord(
            loss=1 / dose + seed, epochs=1, train_s=1.0, parameters=2, R=0.1, contrast=0.9 + seed / 100, detail=0.5
        )
        return Row(Trial("0", (), values, folder, Base(None, "unrolled", ())), result)

    return [row(dose, width, seed) for dose in (1e3, 1e5) for width in (4, 8) for seed in range(3)]


def test_repetitions_are_mean_and_spread(tmp_path: Path) -> None:
    """One point for all seeds, in table and picture; a figure that is not known is left out."""
    rows = _rows(tmp_path)
    points = summarise(rows)
    assert [point.trials for point in points] == [3] * 4
    assert points[0].mean["contrast"] == pytest.approx(0.91)
    assert points[0].spread["contrast"] == pytest.approx(0.01)
    assert "phase_mae" not in points[0].mean
    assert "0.91 +- 0.01" in table(rows)
    assert len(table(rows).splitlines()) == 5
    draw_sweep(tmp_path / "sweep.png", rows)
    assert imread(tmp_path / "sweep.png").std() > 0.05
