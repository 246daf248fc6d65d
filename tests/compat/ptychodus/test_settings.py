"""Every field that ptychodus sends is read or refused with a sentence."""

import ast
import inspect
import queue
from collections.abc import Callable
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import attrs
import pytest
from ptychodus.model.processing import _subprocess_protocol as protocol
from ptychodus.model.ptychopinn_torch import reconstructor as client

import ptycho_torch.config_params as flat
from ptycho_config import ConfigError, diff
from ptycho_config.schema.paths import leaves_of
from ptycho_torch.compat.ptychodus.training import ConfigManager, PtychoDataLoader, resolve_client
from ptycho_torch.errors import DataError
from tests.compat.ptychodus.client import configs, judged, reconstruct_here, reconstructor, train_here
from tests.compat.ptychodus.scans import Known, known_scan

CLASSES = ("DataConfig", "ModelConfig", "TrainingConfig", "InferenceConfig", "DatagenConfig")


def _sent() -> dict[str, dict[str, Any]]:
    """The keywords that the client passes to each class, by its source, and their values with untouched
    settings."""
    calls = {
        node.func.id: [keyword.arg for keyword in node.keywords]
        for node in ast.walk(ast.parse(inspect.getsource(client._build_configs)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES
    }
    payload = configs()
    made = {name: getattr(payload, name.replace("Config", "_config").lower()) for name in CLASSES}
    return {name: {field: getattr(made[name], field) for field in calls[name] if field} for name in CLASSES}


SENT = _sent()
FIELDS = [(name, field) for name, fields in SENT.items() for field in fields]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an exported scan of 64x64 patterns."""
    path = tmp_path_factory.mktemp("scan")
    reconstructor().export_training_data(path / "scan.npz", known_scan(4, 4).given)
    return path


def _resolved(folder: Path, changes: dict[tuple[str, str], Any]) -> Any:
    made = {name: getattr(flat, name)(**fields) for name, fields in SENT.items()}
    for (name, field), value in changes.items():
        setattr(made[name], field, value)
    names = ("data_config", "model_config", "training_config", "inference_config", "datagen_config")
    manager = ConfigManager(**dict(zip(names, (made[name] for name in CLASSES), strict=True)))
    return resolve_client(folder, folder / "out", manager)[0]


def test_the_client_sends_91_fields() -> None:
    """What follows looks at all of them."""
    assert [len(SENT[name]) for name in CLASSES] == [18, 33, 34, 6, 0]


# Values that the client's windows or its settings file can hold, where any other will not do.
OTHERS: dict[str, Any] = {
    "N": 256,
    "C": 1,
    "grid_size": (1, 1),
    "normalize": "Group",
    "neighbor_function": "Min_dist",
    "scan_pattern": "Rectangular",
    "x_bounds": (0.2, 0.8),
    "y_bounds": (0.0, 1.0),
    "data_scaling": "Max",
    "K": 8,
    "mode": "Supervised",
    "loss_function": "MAE",
    "amp_activation": "sigmoid",
    "amp_loss": "Total_Variation",
    "phase_loss": "Mean_Deviation",
    "probe_mask": True,
    "device": "cpu",
    "strategy": "ddp",
    "scheduler": "Cosine",
    "batch_size": 32,
    "gradient_clip_val": 0.5,
    "patch_weighting": "uniform",
    "framework": "Default",
    "orchestrator": "Default",
    "notes": "a note",
    "warmup_epochs": 3,
    "model_name": "ours",
    "decoder_spatial_kernel": 9,
}


def _another(name: str, value: Any) -> Any:
    if name in OTHERS:
        return OTHERS[name]
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else value / 2 + 0.1


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[field for _, field in FIELDS])
def test_a_changed_field_is_read_or_refused(name: str, field: str, folder: Path) -> None:
    """It changes the setup and is named as the reason, or the error says why it cannot be."""
    value = _another(field, SENT[name][field])
    assert value != SENT[name][field]
    if field in REFUSED:
        with pytest.raises(ConfigError, match=field) as caught:
            _resolved(folder, {(name, field): value})
        assert [len(problem.message) > 20 for problem in caught.value.problems] == [True]
        return
    # The client writes its one number of channels into four fields.
    together = {("ModelConfig", other): value for other in CHANNELS} if field == "C" else {}
    plain, changed = _resolved(folder, {}), _resolved(folder, {(name, field): value, **together})
    steps = [step for step in diff(plain.config, changed.config).steps if step.path != "training.output_dir"]
    if steps:
        asked = [change for change in changed.explain().changes if change.layer == "ptychodus"]
        spelled = {"grid_size": "C"}.get(field, field)
        assert {f"as {spelled!r}"} & {change.where for change in asked}
    else:
        assert (field, value) in MEANS_THE_SAME


# Parts of another network, and what has no meaning here.
REFUSED = frozenset(
    [
        "N",
        "normalize",
        "scan_pattern",
        "min_neighbor_distance",
        "max_neighbor_distance",
        "K_quadrant",
        "probe_ramp_removal",
        "data_scaling",
        "probe_big",
        "amp_activation",
        "cbam_encoder",
        "decoder_last_amp_channels",
        "use_shared_decoder",
        "intensity_scale",
        "max_position_jitter",
        "num_datasets",
        "C_model",
        "C_forward",
        "eca_decoder",
        "batch_norm",
        "edge_pad",
        "decoder_last_c_outer_fraction",
        "cbam_bottleneck",
        "cbam_decoder",
        "spatial_decoder",
        "decoder_spatial_kernel",
        "eca_encoder",
        "offset",
        "probe_reference_coeff",
        "amplitude_variance_loss",
        "amplitude_variance_coeff",
        "nll",
        "framework",
        "orchestrator",
        "experiment_number",
        "pad_eval",
        "window",
    ]
)
CHANNELS = ("C_model", "C_forward", "decoder_last_amp_channels")

# A choice that says what is done anyway.
MEANS_THE_SAME = {("scheduler", "Cosine"), ("y_bounds", (0.0, 1.0)), ("device", "cpu"), ("strategy", "ddp")}


def test_a_field_that_nobody_reads_would_be_seen(folder: Path) -> None:
    """A change that leaves the setup as it was and raises nothing fails the test above."""
    plain, same = (_resolved(folder, {}) for _ in range(2))
    assert [s.path for s in diff(plain.config, same.config).steps] in ([], ["training.output_dir"])
    assert ("K", 8) not in MEANS_THE_SAME


def test_a_default_gives_way_and_a_choice_counts(folder: Path) -> None:
    """The learning rate that the client always sends is not a choice; another one is."""
    plain = _resolved(folder, {})
    chosen = _resolved(folder, {("TrainingConfig", "learning_rate"): 5e-4})
    assert plain.config.execution.learning_rate == 4e-3
    assert chosen.config.execution.learning_rate == 5e-4
    assert str(chosen.explain("execution.learning_rate")).endswith("[ptychodus] as 'learning_rate'")
    assert plain.config.training.nepochs == 50


def test_untouched_settings_are_the_recommended_network(folder: Path) -> None:
    """With groups of four, N of the file and centred positions."""
    held = {path: value for path, _, value in leaves_of(_resolved(folder, {}).config)}
    assert held["training.model.architecture"] == "unrolled"
    assert held["training.model.gridsize"] == 2
    assert held["training.model.N"] == 64
    assert held["torch.data.position_origin"] == "centre"
    assert held["torch.grouping.groups_per_centre"] == 1


def test_flat_classes_are_plain_values() -> None:
    """Mutable, comparable, and the same at the other end of a pipe, as in the child process of the client."""
    here, there = Pipe()
    for name, fields in SENT.items():
        made = getattr(flat, name)(**fields)
        here.send(made)
        assert there.recv() == made
    training = flat.TrainingConfig(**SENT["TrainingConfig"])
    training.n_devices = 3
    assert training != flat.TrainingConfig(**SENT["TrainingConfig"])


def _error(action: Callable[[], Any]) -> BaseException:
    """What the client makes of an error that its process sends to its window."""
    messages: queue.Queue[Any] = queue.Queue()
    try:
        action()
    except Exception as error:  # noqa: BLE001 - as the client does
        protocol.send_error(messages, error)  # type: ignore[arg-type]
    state = protocol._RunState(process=None, queue=messages)  # type: ignore[arg-type] # no child to end
    with pytest.raises(protocol.ChildError) as raised:
        next(protocol._iter_events(state))
    assert raised.value.child_exception is not None
    return raised.value.child_exception


def test_errors_arrive_and_say_what_to_do(tmp_path: Path) -> None:
    """Of settings, of scans and of model files; nothing is written by a training that cannot be."""
    scan = known_scan(4, 4)
    wrong_size = _error(lambda: train_here(tmp_path / "run", scan, model_size=256))
    assert isinstance(wrong_size, ConfigError)
    assert "64" in str(wrong_size)
    assert "256" in str(wrong_size)
    two = _error(lambda: train_here(tmp_path / "run", scan, probe_ramp_removal=True, pad_eval=False))
    assert "probe_ramp_removal" in str(two)
    assert "pad_eval" in str(two)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["scan0.npz"]
    (tmp_path / "empty").mkdir()
    nothing = _error(lambda: PtychoDataLoader(tmp_path / "empty", ConfigManager(), output_dir=tmp_path))
    assert isinstance(nothing, DataError)
    (tmp_path / "broken.ckpt").write_bytes(b"no model")
    broken = _error(lambda: reconstruct_here(tmp_path / "broken.ckpt", scan))
    assert "give the .ckpt of a training" in str(broken)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model after one epoch."""
    return train_here(tmp_path_factory.mktemp("run"), known_scan(4, 4), epochs=1).model


@pytest.mark.parametrize("side", [128, 96, 65])
def test_a_scan_of_another_size_is_reconstructed(side: int, model: Path) -> None:
    """What the recommended network learns are convolutions, which fit patterns of every size."""
    scan = known_scan(4, 4, side=side)
    contrast, ratio = judged(reconstruct_here(model, scan), scan, 0.0)
    assert contrast > 0.5
    assert 0.8 < ratio < 1.25


def test_bad_values_are_refused(model: Path) -> None:
    """Negative counts, with the number of patterns."""
    scan = known_scan(4, 4, dtype="float32")
    patterns = scan.given.diffraction_patterns - 1
    broken = attrs.evolve(scan, given=_replaced(scan, diffraction_patterns=patterns))
    assert "holds negative values in 16 patterns" in str(_error(lambda: reconstruct_here(model, broken)))


def _replaced(scan: Known, **fields: Any) -> Any:
    given = scan.given
    held = {name: getattr(given, name) for name in ("diffraction_patterns", "bad_pixels", "product")}
    return type(given)(**{**held, **fields})
