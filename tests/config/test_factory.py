"""The factories: pure, in the declared order, and honest about what is not available."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from syrupy.assertion import SnapshotAssertion

from ptycho_config import (
    LAYER_ORDER,
    ConfigError,
    DatasetFacts,
    InferenceSetup,
    LegacyDelta,
    ModelConfig,
    PyTorchExecutionConfig,
    Resolved,
    Sources,
    TrainingConfig,
    TrainingSetup,
    create_inference_payload,
    create_training_payload,
    dump,
    from_mapping,
    parse,
)
from ptycho_config.schema import FieldSpec, specs
from ptycho_config.unconsumed import UNCONSUMED

FACTS = DatasetFacts(name="scan.npz", n_patterns=9, n_pixels=128, probe_modes=1, nphotons=2e5)


def _training(**more: Any) -> tuple[Resolved[TrainingSetup], LegacyDelta]:
    return create_training_payload(Path("scan.npz"), Path("out"), profile="primed", facts=FACTS, **more)


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
    code = (
        "import sys, ptycho_config; print([m for m in ('torch', 'numpy', 'lightning') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_layers_apply_in_the_declared_order() -> None:
    """The same field set in every layer ends at the value of the last one."""
    path = "execution.num_workers"
    resolved, _ = _training(
        sources=Sources(
            config_file=from_mapping(TrainingSetup, {path: 1}, "config file"),
            execution=PyTorchExecutionConfig(num_workers=2),
            command_line=parse(TrainingSetup, [f"{path}=3"]),
            overrides={path: 4},
        )
    )
    layers = [change.layer for change in resolved.history(path)]
    assert layers == list(LAYER_ORDER[3:])
    assert resolved.config.execution.num_workers == 4


def test_what_the_file_says_is_explained_and_cannot_be_contradicted() -> None:
    """N comes from the probe; asking for another N names both sides."""
    resolved, _ = _training()
    assert resolved.explain("training.model.N") == (
        "training.model.N: 64 -> 128 [dataset facts] probeGuess of scan.npz"
    )
    with pytest.raises(
        ConfigError, match=r"'dataset facts' .*fixes it to 128, 'explicit overrides' asks for 64"
    ):
        _training(sources=Sources(overrides={"training.model.N": 64}))


def _another(spec: FieldSpec) -> Any:
    """An accepted value that is not the default."""
    candidates = [True, False, 2, 3, 0.25, 0.5, "another", (1,)]
    if get_origin(spec.annotation) is Literal:
        candidates = [*get_args(spec.annotation)]
    for value in candidates:
        try:
            accepted = spec.accept(value)
        except ValueError:
            continue
        if accepted != spec.default:
            return accepted
    raise AssertionError(f"no other value for {spec.name}")


PREFIXES = {ModelConfig: "training.model", TrainingConfig: "training", PyTorchExecutionConfig: "execution"}


# Refused earlier: the first by its own test below, the second by a constraint of its class.
ELSEWHERE = {"architecture", "realspace_mae_weight"}


@pytest.mark.parametrize(
    ("cls", "name"),
    [(cls, name) for cls in PREFIXES for name in UNCONSUMED[cls] if name not in ELSEWHERE],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_an_option_that_nothing_reads_is_refused(cls: type, name: str) -> None:
    """Setting it ends in the sentence of the table, with the layer that asked."""
    path = f"{PREFIXES[cls]}.{name}"
    with pytest.raises(ConfigError) as caught:
        _training(sources=Sources(overrides={path: _another(specs(cls)[name])}))
    (problem,) = caught.value.problems
    assert problem.path == path
    assert UNCONSUMED[cls][name] in problem.message
    assert problem.layer == "explicit overrides"


def test_without_a_profile_the_default_network_is_refused_with_what_there_is() -> None:
    """The compatible default `cnn` is not silently replaced."""
    with pytest.raises(ConfigError, match="this version has architecture 'primed'"):
        create_training_payload(Path("scan.npz"))


def test_inference_takes_the_network_from_the_bundle() -> None:
    """What was trained is fixed; a contradiction names the bundle."""
    trained = _training()[0].config
    resolved, delta = create_inference_payload(
        Path("m"), Path("t.npz"), Path("o"), trained=trained, facts=FACTS
    )
    assert resolved.config.inference.model == trained.training.model
    assert resolved.config.torch.primed == trained.torch.primed
    assert delta.set["model_path"] == "m"
    with pytest.raises(ConfigError, match=r"'bundle' .*fixes it"):
        create_inference_payload(
            Path("m"), Path("t.npz"), trained=trained, sources=Sources(overrides={"torch.primed.width": 8})
        )


def test_the_recommended_profile(snapshot: SnapshotAssertion) -> None:
    """What `primed` resolves to, field by field."""
    assert dump(_training()[0].config) == snapshot


def test_the_legacy_view_of_a_training(snapshot: SnapshotAssertion) -> None:
    """Every key that a training sets or removes."""
    delta = _training()[1]
    assert {"set": dict(delta.set), "unset": sorted(delta.unset)} == snapshot


def test_error_texts(snapshot: SnapshotAssertion) -> None:
    """What people read when several things are wrong."""
    wrong = [
        "training.nepochs=0",
        "training.model.N=64",
        "torch.primed.alpha=2",
        "training.probe_trainable=true",
    ]
    with pytest.raises(ConfigError) as caught:
        _training(sources=Sources(command_line=parse(TrainingSetup, wrong)))
    assert str(caught.value) == snapshot
    with pytest.raises(ConfigError) as caught:
        parse(InferenceSetup, ["inference.n_group=3", "nepochs=1"])
    assert str(caught.value) == snapshot


def test_the_page_of_open_questions_lists_every_refused_option() -> None:
    """Documentation and table agree."""
    page = (Path(__file__).parents[2] / "docs" / "open_questions.md").read_text()
    for cls, sentences in UNCONSUMED.items():
        for name, sentence in sentences.items():
            assert f"| `{cls.__name__}.{name}` | {sentence} |" in page
