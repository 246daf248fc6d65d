"""The configuration that a run has left: in its folder, in its `config.json`, in its bundle.

Nothing here imports torch, so that commands that only look answer at once.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ptycho_config import ConfigError, Resolved, Transform, diff, load, parse, replay, resolve
from ptycho_config.layers import BUNDLE, CONFIG_FILE, FACTS, Layer
from ptycho_config.schema import InferenceConfig, InferenceSetup, TrainingSetup
from ptycho_config.schema.paths import leaves_of
from ptycho_config.steps import Step
from ptycho_config.versions import version_of
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.output.bundle_archive import BUNDLE_NAME, read_derivation
from ptycho_torch.run_folder import check_result

RECORD = "record of the run"
CONFIG_NAME = "config.json"
KINDS: dict[str, type[Any]] = {"training": TrainingSetup, "inference": InferenceSetup}
# They follow from the scan and the bundle of a run; where its results went is not for another one.
_OF_THE_RUN = {FACTS, BUNDLE}
_FILES = {"training.output_dir", "inference.output_dir", "inference.model_path", "inference.test_data_file"}


def is_run(path: Path) -> bool:
    """Whether `path` is a folder, a bundle, or the `config.json` of a run; a config file is none."""
    if path.is_dir() or path.suffix == ".zip":
        return True
    return path.suffix == ".json" and path.is_file() and bool(_derivations_in(path))


def read_run(path: Path) -> dict[str, Resolved[Any]]:
    """The configs that the run at `path` has left, with the reason of every value: that of the `training`, and for
    a reconstruction that of the `inference`, last.

    Raises DataError where nothing is left there, ConfigError where a config cannot be read.
    """
    if not path.exists():
        raise MissingFileError(str(path), "no such file or folder", "give the folder of a run")
    found: dict[str, Any] = {}
    if path.suffix == ".zip":
        found = {"training": read_derivation(path)}
    elif not path.is_dir():
        check_result(path)
        found = _derivations_in(path)
    else:
        # ptychodus keeps the config of its trainings one folder deeper.
        written = [file for file in (path / CONFIG_NAME, path / "configs" / CONFIG_NAME) if file.is_file()]
        if written:
            check_result(written[0])
            found = _derivations_in(written[0])
        elif (path / BUNDLE_NAME).is_file():
            found = {"training": read_derivation(path / BUNDLE_NAME)}
    if not found:
        raise DataError(str(path), f"is no run: it has neither a {CONFIG_NAME} of one nor a {BUNDLE_NAME}")
    return {kind: _replay_or_load(KINDS[kind], found[kind], path) for kind in KINDS if kind in found}


def read_config(cls: type, path: Path) -> Transform:
    """The layer `config file` for a `cls` from a config file or, at this `path`, a run: its folder, `config.json` or
    bundle.

    Of a run every option counts but the folder and files of its results, and what its scan and its bundle decided:
    those of the new run do. Raises ConfigError or DataError.
    """
    if not is_run(path):
        return parse(cls, path)
    kind = next(kind for kind, known in KINDS.items() if known is cls)
    found = read_run(path)
    if kind not in found:
        message = f"is the run of a {' and a '.join(found)}; its config is none of a {kind}"
        raise DataError(str(path), message, "give it as --model_path" if kind == "inference" else "")
    last = {change.path: change.layer for change in found[kind].explain().changes}
    kept = [
        Step(at, "put", value, CONFIG_FILE, where=str(path))
        for at, _, value in leaves_of(found[kind].config)
        if last.get(at) not in _OF_THE_RUN and at not in _FILES
    ]
    return Transform(tuple(kept))


def _derivations_in(file: Path) -> dict[str, Any]:
    """The derivations in the `config.json` of a run by kind; none where it is another file."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    found = data if isinstance(data, Mapping) else {}
    runs = {kind: found[kind] for kind in KINDS if kind in found}
    whole = all(isinstance(one, Mapping) and {"config", "fingerprint"} <= one.keys() for one in runs.values())
    return runs if whole else {}


def _replay_or_load(cls: type[Any], derivation: Mapping[str, Any], path: Path) -> Resolved[Any]:
    """The derivation replayed; where it is of an older schema or calls functions, its config without reasons."""
    try:
        if _is_current(cls, derivation):
            return replay(cls, derivation)  # type: ignore[call-overload,no-any-return] # as written by save
        setup = load(cls, derivation["config"])
    except ConfigError as error:
        raise ConfigError(error.problems, str(path)) from None
    return resolve(_base(setup), Layer(RECORD, diff(_base(setup), setup)))


def _base(setup: TrainingSetup | InferenceSetup) -> Any:
    if isinstance(setup, TrainingSetup):
        return TrainingSetup()
    run = setup.inference
    return InferenceSetup(inference=InferenceConfig(model_path=run.model_path, test_data_file=run.test_data_file))


def _is_current(cls: type[Any], derivation: Mapping[str, Any]) -> bool:
    """Whether the steps are those of this version of the schema, and none calls a function."""
    documents = [derivation.get("base"), derivation.get("config")]
    known = all(isinstance(one, Mapping) and version_of(one, cls.SCHEMA) == cls.SCHEMA for one in documents)
    return known and not any(step.get("op") == "over" for step in _steps_in(derivation))


def _steps_in(derivation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The steps of all layers, as far as they read so; `replay` says what is wrong with the others."""
    layers = derivation.get("layers")
    for one in layers if isinstance(layers, list) else ():
        steps = one.get("steps") if isinstance(one, Mapping) else None
        yield from (step for step in steps if isinstance(step, Mapping)) if isinstance(steps, list) else ()
