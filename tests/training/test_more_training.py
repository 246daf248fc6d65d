"""Fine-tuning, a learned probe, several processes, pictures while training, frozen statistics."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import h5py
import numpy as np
import pytest
import torch

from ptycho_config import ConfigError, Sources, parse
from ptycho_config.schema import InferenceSetup
from ptycho_torch.api import TrainingRun, load, reconstruct, train
from ptycho_torch.data.readers import read_scan
from ptycho_torch.errors import DataError
from ptycho_torch.nets.parts import DECODER, ENCODER_BOTTOM, PARTS, parameters_by_part
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan
from tests.runs import SMALL


def _train(scan: Path, folder: Path, **options: Any) -> TrainingRun:
    changed = {**SMALL, **{name.replace("__", "."): value for name, value in options.items()}}
    overrides = {name: value for name, value in changed.items() if value is not None}
    return train(scan, folder, sources=Sources(overrides=overrides), legacy={})


def _reconstruct(run: TrainingRun, scan: Path, folder: Path, *options: str) -> Any:
    sources = Sources(command_line=parse(InferenceSetup, ["torch.refine.unknown=[]", *options]))
    return reconstruct(scan, folder, model=run.bundle, sources=sources, legacy={})


def _part(weights: dict[str, torch.Tensor], run: TrainingRun, part: str) -> torch.Tensor:
    model = load(run.bundle).model
    wanted = {id(p) for p in parameters_by_part(model)[part]}
    names = [name for name, p in model.named_parameters() if id(p) in wanted]
    return torch.cat([weights[name].flatten() for name in names])


def test_fine_tuning_moves_the_decoder_only(scan_file: Path, tmp_path: Path, trained: TrainingRun) -> None:
    """The encoder is that of the training, the rest has gone on, and the history is one list."""
    tuned = _train(scan_file, tmp_path, epochs_fine_tune=2, fine_tune_gamma=1.0)
    before, after = load_bundle(trained.bundle).weights, load_bundle(tuned.bundle).weights
    assert torch.equal(_part(before, tuned, ENCODER_BOTTOM), _part(after, tuned, ENCODER_BOTTOM))
    assert not torch.equal(_part(before, tuned, DECODER), _part(after, tuned, DECODER))
    history = tuned.record.history.train_loss
    assert history[:2] == trained.record.history.train_loss
    assert len(history) == 4
    assert list((tmp_path / "finetune_checkpoints").iterdir())


def test_stages_follow_each_other(scan_file: Path, tmp_path: Path) -> None:
    """Three stages of one epoch after two epochs of training."""
    lengths = {f"torch__fine_tune__stage{n}_epochs": 1 for n in (1, 2, 3)}
    run = _train(scan_file, tmp_path, torch__fine_tune__staged=True, torch__fine_tune__skip_stage3=False, **lengths)
    assert len(run.record.history.train_loss) == 5
    assert {path.stem for path in (tmp_path / "finetune_checkpoints").iterdir()} >= {
        "best-stage-1",
        "best-stage-2",
        "best-stage-3",
    }


def test_fine_tuning_that_does_not_help_is_undone(scan_file: Path, tmp_path: Path) -> None:
    """With a step so long that the loss rises, the weights of the training stay."""
    options = {"execution__learning_rate": 1e-6, "epochs_fine_tune": 1}
    plain = _train(scan_file, tmp_path / "plain", execution__learning_rate=1e-6)
    tuned = _train(scan_file, tmp_path / "tuned", fine_tune_gamma=1.0, optimizer="sgd", **options)
    assert tuned.record.kept_epoch in (0, 1, 2)
    assert plain.record.kept_epoch in (0, 1)


def test_a_later_stage_does_not_undo_an_earlier_one(scan_file: Path, tmp_path: Path) -> None:
    """What is kept at the end has the lowest validation loss of all epochs of training and stages."""
    lengths = {f"torch__fine_tune__stage{n}_epochs": 2 for n in (1, 2, 3)}
    steps = {"torch__fine_tune__stage2_lr_decoder": 1.0, "torch__fine_tune__stage3_lr_decoder": 1.0}
    run = _train(
        scan_file, tmp_path, torch__fine_tune__staged=True, torch__fine_tune__skip_stage3=False, **lengths, **steps
    )
    losses = run.record.history.val_loss
    assert run.record.kept_epoch == int(np.argmin(losses))


def test_a_stage_in_which_nothing_learns_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """Before any training."""
    with pytest.raises(ConfigError, match="all parts of stage1 are frozen"):
        _train(scan_file, tmp_path, torch__fine_tune__stage1_lr_decoder=0.0)
    with pytest.raises(ConfigError, match="must be greater than 0"):
        _train(scan_file, tmp_path, fine_tune_gamma=0.0)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model_type": "supervised", "probe_trainable": True}, "compares objects, not patterns"),
        ({"torch__labels__loss": "exit_waves"}, "compares with labels, model_type is 'pinn'"),
        ({"gradient_clip_algorithm": "agc", "gradient_clip_val": None}, "'agc' needs a limit"),
        ({"torch_mae_pred_l2_match_target": True}, "belongs to the loss 'mae'"),
        ({"execution__precision": "16-mixed"}, "needs a GPU"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    options: dict[str, Any], sentence: str, scan_file: Path, tmp_path: Path
) -> None:
    """With what to do instead."""
    changed = {**SMALL, "execution.accelerator": "cpu", **{k.replace("__", "."): v for k, v in options.items()}}
    with pytest.raises(ConfigError, match=sentence):
        train(scan_file, tmp_path, sources=Sources(overrides=changed), legacy={})


def test_a_training_is_not_resumed_as_another_one(scan_file: Path, tmp_path: Path) -> None:
    """Another seed or batch size is another training."""
    _train(scan_file, tmp_path, training__nepochs=1)
    for options in ({"training.subsample_seed": 7}, {"training.batch_size": 4}):
        sources = Sources(overrides={**SMALL, **options})
        with pytest.raises(DataError, match="made with other options or another seed"):
            train(scan_file, tmp_path, sources=sources, legacy={}, resume=True)


def test_a_seed_that_was_drawn_is_resumed(scan_file: Path, tmp_path: Path) -> None:
    """The same call goes on: the checkpoint knows the seed."""
    drawn = {**SMALL, "training.subsample_seed": None}
    first = train(scan_file, tmp_path, sources=Sources(overrides={**drawn, "training.nepochs": 1}), legacy={})
    resumed = train(scan_file, tmp_path, sources=Sources(overrides=drawn), legacy={}, resume=True)
    assert resumed.record.seed == first.record.seed
    assert resumed.record.history.train_loss[:1] == first.record.history.train_loss
    assert len(resumed.record.history.train_loss) == 2


def test_a_learned_probe_comes_back_in_the_units_of_the_file(scan_file: Path, tmp_path: Path) -> None:
    """Trained from a narrowed probe it comes nearer to the true one; product and R use it."""
    with np.load(scan_file) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    true = kept["probeGuess"]
    offset = np.arange(64) - 32
    narrow = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 10.0**2))
    kept["probeGuess"] = (true * narrow).astype(np.complex64)
    np.savez(tmp_path / "off.npz", **kept)
    options = {"training__nepochs": 12, "execution__learning_rate": 1e-2}
    run = _train(tmp_path / "off.npz", tmp_path / "model", probe_trainable=True, **options)
    fixed = _train(tmp_path / "off.npz", tmp_path / "fixed", **options)
    as_learned = Sources(overrides={"torch.refine.unknown": ()})
    made = reconstruct(tmp_path / "off.npz", tmp_path / "out", model=run.bundle, sources=as_learned, legacy={})
    other = reconstruct(tmp_path / "off.npz", tmp_path / "out2", model=fixed.bundle, sources=as_learned, legacy={})
    learned = read_probe(tmp_path / "out" / "product.h5")
    stored = read_scan(tmp_path / "off.npz", "count_intensity").probe
    assert not np.allclose(learned, stored)
    assert np.linalg.norm(learned) == pytest.approx(np.linalg.norm(stored), rel=1e-4)
    assert likeness(learned, true) > likeness(stored, true)
    assert made.metrics.R < other.metrics.R


def test_a_probe_with_more_modes_than_were_learned_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """What was learned of one mode is not added to the others."""
    run = _train(scan_file, tmp_path / "model", probe_trainable=True, training__nepochs=1)
    with np.load(scan_file) as arrays:
        kept = {name: arrays[name] for name in arrays.files}
    probe = kept["probeGuess"]
    kept["probeGuess"] = np.stack([probe, 0.3 * np.roll(probe, 3, 0)])
    np.savez(tmp_path / "two.npz", **kept)
    with pytest.raises(DataError, match="has 2 modes, that which the model learned has 1"):
        reconstruct(tmp_path / "two.npz", tmp_path / "out", model=run.bundle, legacy={})
    assert not (tmp_path / "out").exists()


def read_probe(path: Path) -> np.ndarray:
    """The probe of a product, `(P, N, N)`."""
    with h5py.File(path) as product:
        return np.asarray(product["probe"])[0]


def likeness(probe: np.ndarray, true: np.ndarray) -> float:
    """`|<p, t>| / (|p| |t|)`."""
    probe, true = probe.ravel(), true.ravel()
    return float(abs(np.vdot(probe, true)) / np.linalg.norm(probe) / np.linalg.norm(true))


def test_two_processes_learn_what_one_does(scan_file: Path, tmp_path: Path) -> None:
    """The same global batches, shared by two processes over gloo: the same losses to rounding, also
    where the last batch is odd; the process group does not outlive the training."""
    alone = _train(scan_file, tmp_path / "one", training__n_groups=31)
    both = _train(scan_file, tmp_path / "two", training__n_groups=31, execution__devices=2, strategy="ddp_spawn")
    for name, values in attrs.asdict(alone.record.history).items():
        np.testing.assert_allclose(getattr(both.record.history, name), values, rtol=2e-4)
    assert not torch.distributed.is_initialized()
    assert {path.name for path in (tmp_path / "two").iterdir()} == {path.name for path in (tmp_path / "one").iterdir()}


@pytest.mark.slow
def test_a_failing_process_ends_the_others(scan_file: Path, tmp_path: Path) -> None:
    """An error in the first process comes out as it is, and nobody waits for ever."""
    with pytest.raises(DataError, match="centres of no training group"):
        _train(scan_file, tmp_path, execution__devices=2, recon_log_every_n_epochs=1, recon_log_fixed_indices=(5000,))


def test_an_unknown_strategy_is_refused(scan_file: Path, tmp_path: Path) -> None:
    """With the names there are."""
    with pytest.raises(ConfigError, match="must be one of 'auto', 'ddp', 'ddp_spawn', got 'fsdp'"):
        _train(scan_file, tmp_path, strategy="fsdp")


def test_reconstructions_are_drawn_while_training(scan_file: Path, tmp_path: Path) -> None:
    """Patches of the chosen patterns and the stitched object, every second epoch."""
    whole = {"torch__data__validation_fraction": 0.0, "recon_log_fixed_indices": (0, 7)}
    plain = _train(scan_file, tmp_path / "plain", torch__data__validation_fraction=0.0)
    run = _train(
        scan_file,
        tmp_path / "drawn",
        recon_log_every_n_epochs=2,
        recon_log_stitch=True,
        recon_log_max_stitch_samples=20,
        **whole,
    )
    found = {str(p.relative_to(tmp_path / "drawn" / "reconstructions")) for p in tmp_path.rglob("*epoch=*.png")}
    found |= {f"{p.parent.name}/{p.name}" for p in tmp_path.rglob("amplitude.png")}
    assert found >= {"patches_epoch=002.png", "object_epoch=002/amplitude.png"}
    assert "patches_epoch=001.png" not in found
    assert run.record.history == plain.record.history


def test_frozen_statistics_scale_another_scan(scan_file: Path, tmp_path: Path) -> None:
    """With four times the intensity in probe and patterns, own statistics give the same object; frozen ones,
    too, from a network that sees other numbers. They are in the bundle."""
    run = _train(scan_file, tmp_path / "model", torch__scale__statistics="training")
    statistics = run.record.statistics
    dataset = read_scan(scan_file, "count_intensity")
    rows = np.unique(run.fitted.data.training.members.numpy())
    assert statistics.mean_intensity == pytest.approx(dataset.intensity[rows].mean(dtype=float), rel=1e-6)
    assert statistics.patterns == len(rows) < len(dataset.intensity)
    with np.load(scan_file) as arrays:
        brighter = {name: arrays[name] for name in arrays.files}
    brighter["diff3d"] = brighter["diff3d"] * 4
    brighter["probeGuess"] = brighter["probeGuess"] * np.complex64(2)
    np.savez(tmp_path / "bright.npz", **brighter)
    own = [
        _reconstruct(run, path, tmp_path / path.stem, "torch.scale.statistics=scan").canvas.object
        for path in (scan_file, tmp_path / "bright.npz")
    ]
    np.testing.assert_allclose(own[0], own[1], atol=1e-4)
    frozen = _reconstruct(run, tmp_path / "bright.npz", tmp_path / "frozen").canvas.object
    assert not np.allclose(frozen, own[0], atol=1e-3)
    assert np.abs(frozen).mean() == pytest.approx(np.abs(own[0]).mean(), rel=0.2)


FNO = {
    "architecture": "fno",
    "training__model__fno_width": 8,
    "torch__overlap__partners": 0,
    "torch__overlap__weight": 0.0,
    "torch__net__width": None,
    "torch__net__stages": None,
}
GROUPS = {**FNO, "training__model__gridsize": 2}
KINDS: dict[str, dict[str, Any]] = {"unrolled": {}, "fno": FNO, "groups": GROUPS}


@pytest.fixture(scope="module")
def plain(scan_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrainingRun]:
    """Trainings with the scale as it is by default."""
    return {kind: _train(scan_file, tmp_path_factory.mktemp(kind), **options) for kind, options in KINDS.items()}


@pytest.mark.parametrize(
    ("kind", "scale"),
    [
        ("unrolled", {"torch__scale__probe_normalize": False}),
        ("unrolled", {"training__model__probe_scale": 2.0}),
        ("groups", {"torch__scale__normalize": "Group", "torch__scale__data_scaling": "Max"}),
        ("groups", {"torch__scale__normalize": "Group"}),
        ("fno", {"torch__scale__data_scaling": "Max"}),
        ("fno", {"torch__scale__normalize": "None"}),
    ],
)
def test_every_scale_leads_to_the_same_kind_of_object(
    kind: str, scale: dict[str, Any], plain: dict[str, TrainingRun], scan_file: Path, tmp_path: Path
) -> None:
    """The network sees other numbers and learns otherwise; the object is in the units of the file."""
    run = _train(scan_file, tmp_path / "model", **KINDS[kind], **scale)
    assert run.record.history != plain[kind].record.history
    made = _reconstruct(run, scan_file, tmp_path / "out")
    inner = made.canvas.illumination > 0.2 * made.canvas.illumination.max()
    assert np.isfinite(made.canvas.object).all()
    assert np.abs(made.canvas.object[inner]).mean() < 2


@pytest.mark.parametrize("option", [{"torch__scale__normalize": "Group"}, {"torch__scale__data_scaling": "Max"}])
def test_the_recommended_network_has_one_input_scale(option: dict[str, Any], scan_file: Path, tmp_path: Path) -> None:
    """Its input is compared with the probe."""
    with pytest.raises(ConfigError, match="compares its input with the probe"):
        _train(scan_file, tmp_path, **option)


def test_patches_are_described_and_the_canvas_padded(trained: TrainingRun, scan_file: Path, tmp_path: Path) -> None:
    """A row for each of the first batches; N/2 px of vacuum, with the origin moved."""
    plain = _reconstruct(trained, scan_file, tmp_path / "plain")
    options = ("torch.record.log_patch_stats=true", "torch.record.patch_stats_limit=2")
    made = _reconstruct(
        trained, scan_file, tmp_path / "out", *options, "execution.pad_eval=true", "execution.inference_batch_size=16"
    )
    with (tmp_path / "out" / "patch_statistics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 2
    assert 0 < float(rows[0]["amplitude_mean"]) < 2
    assert not (tmp_path / "plain" / "patch_statistics.csv").exists()
    assert made.canvas.origin_yx == tuple(x - 32 for x in plain.canvas.origin_yx)
    np.testing.assert_array_equal(made.canvas.object[32:-32, 32:-32], plain.canvas.object)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["inference"]
    assert metrics["R"] == plain.metrics.R
    assert metrics["object_px"] == list(made.canvas.object.shape)
    assert metrics["origin_px"] == list(made.canvas.origin_yx)


READ = """
import sys
from pathlib import Path
from ptycho_config import Sources
from ptycho_torch.api import resolve_training
from ptycho_torch.training.datasets import training_data

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) / 256

def read(scans):
    return training_data(resolve_training(scans, sources=Sources(overrides={"n_groups": 16}))[0].config, seed=0)

# What is imported on the way does not count.
first = read(Path(sys.argv[1]) / "0.npz")
before = resident_mib()
data = read(sys.argv[1])
print(resident_mib() - before)
"""


@pytest.mark.slow
def test_many_scans_stay_in_their_files(tmp_path: Path) -> None:
    """Twelve scans take less than a third of the memory that their patterns would."""
    made = simulate_scan(natural_object("camera", "coins", 330), seed=0, step_px=4.0)
    scans = tmp_path / "scans"
    scans.mkdir()
    for number in range(12):
        write_scan(scans / f"{number}.npz", made)
    size_mib = 12 * made.counts.nbytes / 2**20
    done = subprocess.run([sys.executable, "-c", READ, str(scans)], capture_output=True, text=True, check=True)
    assert size_mib > 700
    assert float(done.stdout) < size_mib / 3


def test_every_parameter_has_one_part(trained: TrainingRun) -> None:
    """And every part of the recommended network has some."""
    model = load(trained.bundle).model
    parts = parameters_by_part(model)
    assert set(parts) == set(PARTS)
    assert all(parts.values())
    assert sum(map(len, parts.values())) == len(list(model.parameters()))
