"""The bundle `wts.h5.zip`: weights, configuration, derivation and history of one training.

A zip of JSON files and one safetensors file; nothing in it is executed when it is read.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ptycho_config import ConfigError, dump, fingerprint, load
from ptycho_config.schema import TrainingSetup
from ptycho_torch.errors import DataError
from ptycho_torch.files import atomic_write, open_digest
from ptycho_torch.output.bundle_archive import (
    BUNDLE_NAME,
    CONFIG,
    DAMAGE,
    MANIFEST,
    SCHEMA,
    TRAINING,
    VERSION,
    WEIGHTS,
    check_config,
    digest_of,
    find_bundle,
    read_manifest,
    read_member,
)
from ptycho_torch.output.derivation import Derivation, migrate_derivation
from ptycho_torch.output.run_records import TrainingRecord, from_json, library_versions, to_json
from ptycho_torch.run_folder import check_result

_DAMAGE = (*DAMAGE, safetensors.SafetensorError)


@attrs.frozen(eq=False, repr=False)
class Bundle:
    """A trained model as a value: its configuration, its weights and the record of its training.

    weights: by name; derivation: of the configuration; record: losses, times and versions; source: the digest of the
    file that it was read from, by path.
    """

    setup: TrainingSetup
    weights: dict[str, Tensor]
    derivation: Derivation
    record: TrainingRecord
    source: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        return f"<Bundle {', '.join(self.source) or 'of a training'}: {len(self.weights)} arrays of weights>"


def save_bundle(folder: Path, bundle: Bundle) -> Path:
    """Write a bundle as `folder/wts.h5.zip` and return its path; an older one stays until it is complete."""
    config = json.dumps(dump(bundle.setup), indent=2)
    weights = save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in bundle.weights.items()})
    manifest = {
        "schema": f"{SCHEMA}/{VERSION}",
        "fingerprint": fingerprint(bundle.setup),
        "config_sha256": digest_of(config),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "versions": library_versions(),
    }
    training = {"derivation": to_json(bundle.derivation), "record": to_json(bundle.record)}
    path = folder / BUNDLE_NAME
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, json.dumps(manifest, indent=2))
        archive.writestr(CONFIG, config)
        archive.writestr(TRAINING, json.dumps(training, indent=2))
        archive.writestr(WEIGHTS, weights)
    return path


def load_bundle(path: Path) -> Bundle:
    """Read a bundle: an archive, or the folder of one. Raises DataError where it is damaged or foreign."""
    source = find_bundle(path)
    check_result(source)
    try:
        with source.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            digest = open_digest(stream.fileno())
            manifest = read_manifest(archive, source)
            config = read_member(archive, CONFIG).decode()
            setup = load(TrainingSetup, json.loads(config))
            training = json.loads(read_member(archive, TRAINING))
            weights = _read_weights(archive, manifest)
            record = from_json(TrainingRecord, training["record"], source)
            derivation = migrate_derivation(from_json(Derivation, training["derivation"], source))
            check_config(source, config, manifest)
    except DataError:
        raise
    except ConfigError as error:
        raise DataError(str(source), f"its configuration cannot be read: {error}") from None
    except _DAMAGE as error:
        raise DataError(str(source), f"is damaged: {error}", "copy it again or train again") from None
    return Bundle(setup, weights, derivation, record, {str(source): digest})


def _read_weights(archive: zipfile.ZipFile, manifest: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights in an opened bundle, compared with the digest in its manifest, where that has one."""
    content = read_member(archive, WEIGHTS)
    digest = hashlib.sha256(content).hexdigest()
    if manifest.get("weights_sha256", digest) != digest:
        raise ValueError("its weights are not those that were written")
    found: dict[str, Tensor] = load_tensors(content)
    return found
