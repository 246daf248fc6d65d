"""Checkpoints: whole files that are data only, of epochs in which nothing has diverged."""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.files import atomic_write, unwritable
from ptycho_torch.training.divergence import StopWhenDiverged

FOLDER, SUFFIX = "checkpoints", ".ckpt"
LAST = Path(FOLDER) / f"last{SUFFIX}"
# What this package writes into a checkpoint: the options that may not change, the seed, and the weights that a stage
# of fine-tuning began with.
IDENTITY, SEED, ORIGIN = "ptycho_identity", "ptycho_seed", "ptycho_origin"
_NAME = re.compile(rf"[\w=-]+\{SUFFIX}")
_OTHERS: dict[str, type] = {"callbacks": dict, "loops": dict, "optimizer_states": list, IDENTITY: str, ORIGIN: str}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, of which nothing is run. Raises DataError where there is none, or where it is
    damaged or foreign."""
    if not path.is_file():
        raise MissingFileError(str(path), "there is no checkpoint to resume from", "train without --resume")
    try:
        stored = load_data(path)
        _check_entries(stored)
    except MemoryError:
        raise DataError(str(path), "declares more than fits into memory", "train without --resume") from None
    except Exception as error:  # noqa: BLE001 - the bytes decide what the reader of pickles raises
        reason = str(error).splitlines() or [type(error).__name__]
        raise DataError(str(path), f"is damaged, or no checkpoint of a training: {reason[0]}", _ANEW) from None
    return dict(stored)


def load_data(path: Path) -> Any:
    """The content of a file that torch has written, of which nothing is run.

    Raises whatever a damaged one leads to, as ValueError where a checksum is wrong, which torch does not look at.
    Nothing in it can be larger than the file.
    """
    _check_archive(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("its parts are compressed")
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")


_ANEW = "copy it again, or train without --resume"


def _check_entries(stored: Any) -> None:
    if not isinstance(stored, dict):
        raise TypeError("it holds no entries")
    weights, epoch, seed = (stored.get(name) for name in ("state_dict", "epoch", SEED))
    if seed is None:
        raise ValueError("it is of an earlier version")
    if not isinstance(weights, Mapping) or not all(isinstance(one, Tensor) for one in weights.values()):
        raise TypeError("it holds no weights")
    whole = (isinstance(number, int) and number >= 0 for number in (epoch, seed))
    if not all(whole) or not all(isinstance(stored.get(name), kind) for name, kind in _OTHERS.items()):
        raise TypeError("an entry is missing, or of another type")


def epochs_of(path: Path) -> int:
    """The number of epochs that the checkpoint at `path` has behind it. Raises DataError."""
    return int(read_checkpoint(path)["epoch"]) + 1


def seed_of(path: Path) -> int:
    """The seed of the training that the checkpoint at `path` is of. Raises DataError."""
    return int(read_checkpoint(path)[SEED])


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """sha256 of weights by name."""
    found = hashlib.sha256()
    for name, tensor in weights.items():
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


class WholeFiles(TorchCheckpointIO):
    """Checkpoints that are complete or not there, and are read as data.

    A checkpoint that is no longer among the best is removed only after the next one of the last epoch is
    there: the former one names it.
    """

    def __init__(self) -> None:
        self.outdated: list[Path] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:  # noqa: ARG002 - Lightning passes it
        """Write a checkpoint to `path`, whole or not at all. Raises OutputError."""
        place = Path(path)
        # Of a file without room torch raises what does not name the reason.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(place) as temporary:
                temporary.write_bytes(content.getbuffer())
        except OSError as error:
            raise unwritable(place, error, "the checkpoints before it are whole") from error
        if place.stem.startswith(LAST.stem):
            while self.outdated:
                self.outdated.pop().unlink(missing_ok=True)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:  # noqa: ARG002, FBT001 - Lightning passes it
        """The checkpoint at `path`. Raises DataError, also for one that SLURM had another program write."""
        if Path(path).name.startswith("hpc_ckpt"):
            raise DataError(str(path), "is no checkpoint of this package", "remove it; --resume needs none")
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the checkpoint at `path`, later."""
        self.outdated.append(Path(path))


class _Checkpoint(ModelCheckpoint):
    """A checkpoint at the end of an epoch, unless something has diverged in it."""

    def __init__(self, folder: Path, name: str, divergence: StopWhenDiverged, **options: Any) -> None:
        self.divergence = divergence
        super().__init__(
            folder,
            name,
            auto_insert_metric_name=False,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
            **options,
        )

    def on_train_epoch_end(self, *arguments: Any) -> None:
        """Save, as Lightning does, what is worth it."""
        if self.divergence.reason is None:
            super().on_train_epoch_end(*arguments)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what a checkpoint says of the others, which stand in the folder of this one: it may have been
        moved, and no path may lead to another place. Raises DataError."""
        state = {**state_dict, "dirpath": self.dirpath, "last_model_path": ""}
        for entry in ("best_model_path", "kth_best_model_path"):
            state[entry] = state[entry] and self._place(state[entry])
        state["best_k_models"] = {self._place(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state)

    def _place(self, stored: str) -> str:
        name = Path(stored).name
        if not _NAME.fullmatch(name):
            raise DataError(stored, "is no name of a checkpoint, but a checkpoint names it", _ANEW)
        return str(Path(self.dirpath or "") / name)


class BestEpochs(_Checkpoint):
    """The checkpoints of the epochs with the best value of a metric."""


class LastEpoch(_Checkpoint):
    """The checkpoint of the last epoch."""
