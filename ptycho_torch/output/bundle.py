"""The bundle `wts.h5.zip`: weights, configuration, derivation and history of one training.

A zip of JSON files and one safetensors file; nothing in it is executed when it is read.
"""

import hashlib
import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs
import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ptycho_config import ConfigError, TrainingSetup, dump, fingerprint, load
from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.files import atomic_write

BUNDLE_NAME = "wts.h5.zip"
SCHEMA = "ptycho.bundle/1"
_MANIFEST, _CONFIG, _TRAINING, _WEIGHTS = (
    "manifest.json",
    "config.json",
    "training.json",
    "weights.safetensors",
)
_LIBRARIES = ("torch", "lightning", "numpy")


@attrs.frozen(eq=False)
class Bundle:
    """A trained model as a value: what it was configured by, what it learned, how it went.

    `derivation` is the configuration's full derivation; `record` holds the loss history,
    timings and versions of the training run.
    """

    setup: TrainingSetup
    weights: dict[str, Tensor]
    derivation: dict[str, Any]
    record: dict[str, Any]


def library_versions() -> dict[str, str]:
    """Versions of this project and of the libraries that decide its numbers."""
    return {name: version(name) for name in ("ptycho", *_LIBRARIES)}


def save_bundle(folder: Path, bundle: Bundle) -> Path:
    """Write `folder/wts.h5.zip`; an older one is replaced only once the new one is complete."""
    config = json.dumps(dump(bundle.setup), indent=2)
    manifest = {
        "schema": SCHEMA,
        "fingerprint": fingerprint(bundle.setup),
        "config_sha256": _digest(config),
        "versions": library_versions(),
    }
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in bundle.weights.items()}
    path = folder / BUNDLE_NAME
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_MANIFEST, json.dumps(manifest, indent=2))
        archive.writestr(_CONFIG, config)
        archive.writestr(
            _TRAINING, json.dumps({"derivation": bundle.derivation, "record": bundle.record}, indent=2)
        )
        archive.writestr(_WEIGHTS, save_tensors(weights))
    return path


def find_bundle(path: Path) -> Path:
    """The archive that `path` means: a bundle, with or without its `.zip`, or the folder of one."""
    if not path.exists():
        named = (path.with_name(f"{path.name}.zip"), path.with_suffix(".zip"))
        path = next((found for found in named if found.is_file()), path)
    if not path.exists():
        raise MissingFileError(str(path), "no such file or folder", "give the output_dir of a training run")
    archive = path / BUNDLE_NAME if path.is_dir() else path
    if not archive.is_file():
        raise DataError(str(path), f"there is no {BUNDLE_NAME} here", "give the output_dir of a training run")
    return archive


def load_bundle(path: Path) -> Bundle:
    """Read a bundle. Raises DataError for an archive that is damaged or not one of ours."""
    source = find_bundle(path)
    try:
        with zipfile.ZipFile(source) as archive:
            names = set(archive.namelist())
            if _MANIFEST not in names:
                raise DataError(str(source), _foreign(names))
            manifest = json.loads(archive.read(_MANIFEST))
            if manifest.get("schema") != SCHEMA:
                raise DataError(
                    str(source), f"has schema {manifest.get('schema')!r}, this version reads {SCHEMA!r}"
                )
            config = archive.read(_CONFIG).decode()
            setup = load(TrainingSetup, json.loads(config))
            training = json.loads(archive.read(_TRAINING))
            weights = load_tensors(archive.read(_WEIGHTS))
    except (zipfile.BadZipFile, KeyError, EOFError, OSError, safetensors.SafetensorError) as error:
        raise DataError(str(source), f"is damaged: {error}", "copy it again or train again") from None
    except ConfigError as error:
        raise DataError(str(source), f"its configuration cannot be read: {error}") from None
    except json.JSONDecodeError as error:
        raise DataError(str(source), f"is damaged: {error}", "copy it again or train again") from None
    # The text is compared, not the meaning: an older config is migrated when it is read.
    if manifest["config_sha256"] != _digest(config):
        raise DataError(str(source), "its configuration was changed after training")
    return Bundle(setup, weights, training["derivation"], training["record"])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _foreign(names: set[str]) -> str:
    if any(name.endswith(".dill") for name in names):
        return (
            "is a PtychoPINN bundle of pickled objects, which would run code when opened; train again instead"
        )
    return f"is not a bundle of this project; it holds {', '.join(sorted(names)[:5]) or 'nothing'}"
