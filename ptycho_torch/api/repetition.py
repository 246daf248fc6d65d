"""`rerun`: a run from its own record, into a new folder, compared bit by bit."""

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import Resolved, Sources, Transform, at, fields
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_config.schema.paths import leaves_of
from ptycho_config.steps import Step
from ptycho_torch.api.inference import reconstruct
from ptycho_torch.api.training import train
from ptycho_torch.errors import DataError
from ptycho_torch.output.bundle import load_bundle
from ptycho_torch.output.run_configs import read_run
from ptycho_torch.output.run_records import InferenceRecord, TrainingRecord, from_json
from ptycho_torch.run_folder import check_result

_ARGUMENTS = {"training.output_dir", "inference.output_dir", "inference.model_path", "inference.test_data_file"}


@attrs.frozen
class Repetition:
    """A run that was repeated into `folder`.

    compared: the number of values, weights of a training or pixels of a reconstruction; differences: sentences,
    empty where all of them are the same to the last bit; circumstances: what else was different, in sentences.
    """

    folder: Path
    compared: int
    differences: tuple[str, ...]
    circumstances: tuple[str, ...]


def rerun(run: Path | str, output_dir: Path | str | None = None, *, visible: bool = False) -> Repetition:
    """Repeat the training or the reconstruction that `run` holds, its folder, `config.json` or bundle, with the same
    options, seed and files, and compare.

    output_dir: a new folder, by default that of the run with `_rerun` behind its name; visible: show progress. Raises
    ConfigError or DataError where the run cannot be repeated.
    """
    path = Path(run)
    configs = read_run(path)
    home = path if path.is_dir() else path.parent
    # `.` and `..` are no names.
    named = home if home.name not in {"", ".."} else home.resolve()
    folder = named.with_name(f"{named.name}_rerun") if output_dir is None else Path(output_dir)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(str(folder), "is not empty", "a run is repeated in a new folder")
    if "inference" in configs:
        return _rerun_inference(configs["inference"], home, folder, visible=visible)
    return _rerun_training(configs["training"], path, folder, visible=visible)


def _rerun_training(configs: Resolved[TrainingSetup], path: Path, folder: Path, *, visible: bool) -> Repetition:
    old = load_bundle(path if path.suffix == ".zip" else path if path.is_dir() else path.parent)
    if old.record.seed is None:
        raise DataError(str(path), "cannot be repeated: its record has no seed")
    c = fields(TrainingSetup)
    changes = at(c.training.subsample_seed).put(old.record.seed) >> at(c.execution.enable_progress_bar).put(visible)
    options = _options(changes(configs.config), str(path))
    made = train(None, folder, profile=None, sources=Sources(overrides=options))
    new = load_bundle(made.bundle)
    sides = ({name: tensor.numpy() for name, tensor in one.weights.items()} for one in (old, new))
    return Repetition(
        folder,
        sum(tensor.numel() for tensor in old.weights.values()),
        tuple(_differences(*sides)),
        tuple(_circumstances(old.record, new.record)),
    )


def _rerun_inference(configs: Resolved[InferenceSetup], home: Path, folder: Path, *, visible: bool) -> Repetition:
    record, old = _reconstruction(home)
    run, c = configs.config.inference, fields(InferenceSetup)
    changes = at(c.inference.subsample_seed).put(record.seed) >> at(c.execution.enable_progress_bar).put(visible)
    options = _options(changes(configs.config), str(home))
    made = reconstruct(run.test_data_file, folder, model=run.model_path, sources=Sources(overrides=options))
    _, new = _reconstruction(folder)
    count = sum(array.size for array in old.values())
    return Repetition(folder, count, tuple(_differences(old, new)), tuple(_circumstances(record, made.metrics)))


def _reconstruction(folder: Path) -> tuple[InferenceRecord, dict[str, NDArray[Any]]]:
    """The record and the arrays that a reconstruction has left. Raises DataError."""
    for name in ("metrics.json", "reconstruction.npz"):
        check_result(folder / name)
    try:
        data = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["inference"]
        with np.load(folder / "reconstruction.npz", allow_pickle=False) as arrays:
            return from_json(InferenceRecord, data, folder / "metrics.json"), dict(arrays)
    except DataError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(str(folder), f"its metrics.json and reconstruction.npz cannot be read: {error}") from None


def _options(setup: TrainingSetup | InferenceSetup, where: str) -> Transform:
    """Every option of a run, but for those that the verbs take as arguments."""
    held = ((path, value) for path, _, value in leaves_of(setup) if path not in _ARGUMENTS)
    return Transform(tuple(Step(path, "put", value, where=where) for path, value in held))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each array by name that is not the same in both to the last bit."""
    for name in old.keys() ^ new.keys():
        yield f"{name} is in one of the two only"
    for name in old.keys() & new.keys():
        one, other = old[name], new[name]
        if one.shape != other.shape or one.dtype != other.dtype:
            yield f"{name} was {one.dtype}{list(one.shape)}, is {other.dtype}{list(other.shape)}"
        elif one.tobytes() != other.tobytes():
            largest = np.abs(np.asarray(one) - np.asarray(other)).max()
            yield f"{name} differs in {np.count_nonzero(one != other)} of {one.size} values, by up to {largest:.3g}"


def _circumstances(old: TrainingRecord | InferenceRecord, new: TrainingRecord | InferenceRecord) -> Iterator[str]:
    """A sentence for each version, property of the machine and file that a run had and its repetition had not."""
    for before, after in ((old.versions, new.versions), (old.machine, new.machine)):
        for name, value in before.items():
            if after.get(name) != value:
                yield f"{name} was {value}, is {after.get(name)}"
    for name, digest in old.files.items():
        if new.files.get(name) != digest:
            yield f"{name} is not the file that it was"
    if isinstance(old, TrainingRecord) and isinstance(new, TrainingRecord):
        epochs = [len(one.history.train_loss) for one in (old, new)]
        if epochs[0] != epochs[1]:
            yield f"{epochs[0]} epochs were trained, now {epochs[1]}"
