"""ptychodus, driven as its windows drive it: settings, export, training, reconstruction."""

import pickle
import queue
from pathlib import Path
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from ptychodus.api.reconstruct import ReconstructOutput, TrainOutput
from ptychodus.api.settings import SettingsRegistry
from ptychodus.model.processing.subprocess_reconstructor import SubprocessReconstructor
from ptychodus.model.ptychopinn_torch._subprocess import run_reconstruct, run_train
from ptychodus.model.ptychopinn_torch.core import PtychoPINNTorchReconstructorLibrary

from ptycho_torch.evaluation.metrics import contrast_and_detail
from tests.compat.ptychodus.scans import Known

GROUPS = ("data_settings", "model_settings", "training_settings", "inference_settings")


def reconstructor(mode: str = "Unsupervised", **settings: Any) -> SubprocessReconstructor:
    """The client's own reconstructor with some of its settings changed; all others are untouched."""
    library = PtychoPINNTorchReconstructorLibrary(SettingsRegistry(), is_developer_mode_enabled=False)
    for name, value in settings.items():
        owner = next(getattr(library, group) for group in GROUPS if hasattr(getattr(library, group), name))
        getattr(owner, name).set_value(value)
    found = {one.name: one for one in library}[mode]
    assert isinstance(found, SubprocessReconstructor)
    return found


def configs(mode: str = "Unsupervised", **settings: Any) -> Any:
    """The payload of a training: the five flat configs that the client makes of its settings."""
    return reconstructor(mode, **settings)._build_train_payload(Path(), Path())  # type: ignore[misc]


@attrs.frozen(eq=False)
class Run:
    """What the client has after a training in its own process."""

    output: TrainOutput
    model: Path


def train_here(folder: Path, *scans: Known, mode: str = "Unsupervised", **settings: Any) -> Run:
    """Export the scans into a folder and train on it with `run_train`, without a child process."""
    client = reconstructor(mode, **settings)
    folder.mkdir(exist_ok=True)
    for number, scan in enumerate(scans):
        client.export_training_data(folder / f"scan{number}.npz", scan.given)
    return run(client._build_train_payload(folder, folder))  # type: ignore[misc]


def run(payload: Any) -> Run:
    """`run_train` in this process."""
    messages: queue.Queue[Any] = queue.Queue()
    run_train(payload, messages)  # type: ignore[arg-type] # a queue of this process does as well
    held = dict(messages.get() for _ in range(messages.qsize()))
    return Run(decoded(held["train_output"]), Path(held["model_saved"]))


def reconstruct_here(model: Path, scan: Known, mode: str = "Unsupervised") -> NDArray[np.complex64]:
    """`run_reconstruct` in this process: the object array of the client."""
    client, messages = reconstructor(mode), queue.Queue[Any]()
    run_reconstruct(client._build_reconstruct_payload(scan.given, model), messages)  # type: ignore[arg-type]
    (message,) = (messages.get() for _ in range(messages.qsize()))
    return object_of(decoded(message[1]))


def decoded(message: bytes) -> Any:
    """What the client's `run_train` or `run_reconstruct` sent a moment ago. It sends pickles, which it reads
    within a generator that starts a child process; it offers no other way to read them."""
    return pickle.loads(message)  # noqa: S301 # made by the client in this process, never read from a file


def object_of(output: ReconstructOutput) -> NDArray[np.complex64]:
    """The one layer of a result."""
    array = output.product.object_.get_array()
    assert array.shape[0] == 1
    return np.asarray(array[0])


def inner(scan: Known, margin: float) -> tuple[slice, slice]:
    """The part of the object array at least `margin` px inside the scanned box."""
    geometry, positions = scan.given.product.object_.get_geometry(), scan.given.product.probe_positions
    axes = (
        geometry.map_probe_positions_to_object_y_px(positions),
        geometry.map_probe_positions_to_object_x_px(positions),
    )
    y, x = (slice(int(np.ceil(a.min() + margin)), int(np.floor(a.max() - margin))) for a in axes)
    return y, x


def judged(object_: NDArray[np.complex64], scan: Known, margin: float) -> tuple[float, float]:
    """Contrast with the truth at zero shift, and mean amplitude over that of the truth."""
    part = inner(scan, margin)
    contrast, _ = contrast_and_detail(object_[part], scan.truth[part])
    return contrast, float(np.abs(object_[part]).mean() / np.abs(scan.truth[part]).mean())
