"""The parts of the bundle `wts.h5.zip` that need no torch: its place, its members, its configuration."""

import hashlib
import json
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ptycho_torch.errors import DataError, MissingFileError
from ptycho_torch.run_folder import check_result

BUNDLE_NAME = "wts.h5.zip"
SCHEMA, VERSION = "ptycho.bundle", 2
MANIFEST, CONFIG, TRAINING, WEIGHTS = ("manifest.json", "config.json", "training.json", "weights.safetensors")
# The errors of zip, compression and JSON on a file that is cut, changed or encrypted.
DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError),
    *(LookupError, TypeError, AttributeError, ValueError, ArithmeticError, AssertionError, MemoryError, struct.error),
)
# Members are read into memory; a text of a bundle has some 100 kB.
_LARGEST_TEXT = 2**26


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


def read_derivation(archive: Path) -> dict[str, Any]:
    """The derivation of the training in the bundle `archive`, with the config of the bundle. Raises DataError."""
    check_result(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            manifest = read_manifest(opened, archive)
            config = read_member(opened, CONFIG).decode()
            derivation: dict[str, Any] = {**json.loads(read_member(opened, TRAINING))["derivation"]}
            derivation["config"] = json.loads(config)
            check_config(archive, config, manifest)
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(str(archive), f"is damaged: {error}", "copy it again or train again") from None
    return derivation


def read_manifest(opened: zipfile.ZipFile, archive: Path) -> dict[str, Any]:
    """The manifest of the bundle `archive`, which is `opened`. Raises DataError for another kind of file and for
    a version that this package cannot read."""
    names = set(opened.namelist())
    if MANIFEST not in names:
        raise DataError(str(archive), _foreign(names))
    manifest: dict[str, Any] = json.loads(read_member(opened, MANIFEST))
    name, _, version = str(manifest.get("schema")).rpartition("/")
    if name != SCHEMA or not version.isdecimal() or not 1 <= int(version) <= VERSION:
        raise DataError(str(archive), f"has schema {manifest.get('schema')!r}, this version reads '{SCHEMA}/{VERSION}'")
    return manifest


def read_member(opened: zipfile.ZipFile, name: str) -> bytes:
    """The content of the member called name of an opened bundle. Raises ValueError, before it takes memory, for a size
    that no bundle has."""
    size = opened.getinfo(name).file_size
    largest = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if name == WEIGHTS else _LARGEST_TEXT
    if size > largest:
        raise ValueError(f"{name} declares {size} bytes")
    return opened.read(name)


def check_config(archive: Path, config: str, manifest: dict[str, Any]) -> None:
    """Raise DataError where the text `config` in the bundle `archive` is not the one that its `manifest` has the
    digest of. The text is compared, not the meaning: an older config is migrated when it is read."""
    if manifest["config_sha256"] != digest_of(config):
        raise DataError(str(archive), "its configuration was changed after training")


def digest_of(text: str) -> str:
    """sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def _foreign(names: set[str]) -> str:
    if any(name.endswith(".dill") for name in names):
        return "is a PtychoPINN bundle of pickled objects, which would run code when opened; train again instead"
    return f"is not a bundle of this project; it holds {', '.join(sorted(names)[:5]) or 'nothing'}"
