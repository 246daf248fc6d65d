"""The factories: pure, in the declared order, and honest about what is not available."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config import (
    ConfigError,
    LegacyDelta,
    Resolved,
    Sources,
    create_inference_payload,
    create_training_payload,
    dump,
    parse,
)
from ptycho_config.facts import DatasetFacts
from ptycho_config.layers import TRAINING
from ptycho_config.schema import InferenceSetup, PyTorchExecutionConfig, TrainingSetup

FACTS = DatasetFacts(name="scan.npz", n_patterns=9, n_pixels=128, probe_modes=1, nphotons=2e5)


def _training(**more: Any) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    return create_training_payload(Path("scan.npz"), Path("out"), profile="unrolled", facts=FACTS, **more)


class _Forbidden:
    """Refuses files, sockets, processes and imports while it is switched on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, _: object) -> None:
        if self.on and event.partition(".")[0] in {"open", "os", "socket", "subprocess", "import", "ctypes"}:
            self.seen.append(event)


def test_factories_touch_nothing() -> None:
    """No file, process or module is opened while a payload is made; equal inputs, equal outputs."""
    sources = Sources(overrides={"training.nepochs": 3})
    _training(sources=sources)
    before, watch = copy.deepcopy(sources), _Forbidden()
    watch.on = True
    first, second = _training(sources=sources), _training(sources=sources)
    watch.on = False
    assert watch.seen == []
    assert (first[0].config, first[1]) == (second[0].config, second[1])
    assert sources == before


def test_a_file_opened_in_between_would_be_seen() -> None:
    """The watch of the test above works."""
    watch = _Forbidden()
    watch.on = True
    Path(__file__).read_text()
    watch.on = False
    assert "open" in watch.seen


def test_the_config_package_needs_no_torch_and_no_numpy() -> None:
    """Importing the algebra is cheap."""
    code = "import sys, ptycho_config; print([m for m in ('torch', 'numpy', 'lightning') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_layers_apply_in_the_declared_order() -> None:
    """The same field set in every layer ends at the value of the last one."""
    path = "execution.num_workers"
    resolved, _ = _training(
        sources=Sources(
            config_file=parse(TrainingSetup, {path: 1}, "config file"),
            execution=PyTorchExecutionConfig(num_workers=2),
            command_line=parse(TrainingSetup, [f"{path}=3"]),
            overrides={path: 4},
        )
    )
    layers = [change.layer for change in resolved.explain(path).changes]
    assert layers == [*TRAINING[TRAINING.index("config file") :]]
    assert resolved.config.execution.num_workers == 4


def test_what_the_file_says_is_explained_and_cannot_be_contradicted() -> None:
    """N comes from the probe; asking for another N names both sides."""
    resolved, _ = _training()
    assert str(resolved.explain("training.model.N")) == (
        "training.model.N: 64 -> 128 [dataset facts] probeGuess of scan.npz"
    )
    with pytest.raises(ConfigError, match=r"'dataset facts' .*fixes it to 128, 'explicit overrides' asks for 64"):
        _training(sources=Sources(overrides={"training.model.N": 64}))


def test_inference_takes_the_network_from_the_bundle() -> None:
    """What was trained is fixed; a contradiction names the bundle."""
    trained = _training()[0].config
    resolved, delta = create_inference_payload(Path("m"), Path("t.npz"), Path("o"), trained=trained, facts=FACTS)
    assert resolved.config.inference.model == trained.training.model
    assert resolved.config.torch.net == trained.torch.net
    assert delta.set["model_path"] == "m"
    with pytest.raises(ConfigError, match=r"'bundle' .*fixes it"):
        create_inference_payload(
            Path("m"), Path("t.npz"), trained=trained, sources=Sources(overrides={"torch.net.width": 8})
        )


@pytest.mark.parametrize(
    ("options", "free"),
    [
        ({}, True),
        ({"training.probe_trainable": True}, False),
        ({"architecture": "cnn", "torch.overlap.partners": 0}, False),
    ],
)
def test_only_convolutions_fit_patterns_of_every_size(options: dict[str, Any], *, free: bool) -> None:
    """A unrolled network takes N from the scan; a learned probe or another network fixes it."""
    small = attrs.evolve(FACTS, n_pixels=64)
    trained = create_training_payload(
        Path("t.npz"), profile="unrolled", facts=small, sources=Sources(overrides=options)
    )[0].config
    if free:
        found = create_inference_payload(Path("m"), Path("t.npz"), trained=trained, facts=FACTS)[0].config
        assert found.inference.model.N == 128
        return
    with pytest.raises(ConfigError, match=r"'bundle' .*fixes it to 64, 'dataset facts' asks for 128"):
        create_inference_payload(Path("m"), Path("t.npz"), trained=trained, facts=FACTS)


def test_the_recommended_profile(snapshot: SnapshotAssertion) -> None:
    """What `unrolled` resolves to, field by field."""
    assert dump(_training()[0].config) == snapshot


def test_the_legacy_view_of_a_training(snapshot: SnapshotAssertion) -> None:
    """Every key that a training sets or removes."""
    delta = _training()[1]
    assert {"set": dict(delta.set), "unset": sorted(delta.unset)} == snapshot


def test_error_texts(snapshot: SnapshotAssertion) -> None:
    """What people read when several things are wrong."""
    wrong = ["training.nepochs=0", "training.model.N=64", "torch.net.alpha=2", "training.probe_trainable=true"]
    with pytest.raises(ConfigError) as caught:
        _training(sources=Sources(command_line=parse(TrainingSetup, wrong)))
    assert str(caught.value) == snapshot
    with pytest.raises(ConfigError) as caught:
        parse(InferenceSetup, ["inference.n_group=3", "nepochs=1"])
    assert str(caught.value) == snapshot
