"""A trained model as the file that ptychodus loads."""

from pathlib import Path
from typing import Any

import attrs

from ptycho_config.schema import TrainingSetup
from ptycho_config.vocabulary import to_flat
from ptycho_torch.compat.ptychodus.checkpoint import FLAT, write_checkpoint
from ptycho_torch.compat.ptychodus.settings import InferenceConfig
from ptycho_torch.errors import DataError
from ptycho_torch.files import check_folder
from ptycho_torch.output.bundle import load_bundle


def export_model(model_path: Path, target: Path, refine_passes: int | None = None) -> None:
    """Write the model of a bundle to a new file target, which ptychodus loads.

    model_path: the bundle or its folder; refine_passes: of the reconstructions with it, None for those that the
    client's own trainings have. Raises DataError where target is there already or does not end in `.ckpt`.
    """
    if target.suffix != ".ckpt":
        raise DataError(str(target), "is no name that ptychodus looks for", "let it end in .ckpt")
    if target.exists():
        raise DataError(str(target), "is there already", "choose another name, or remove it")
    check_folder(target.absolute().parent)
    bundle = load_bundle(model_path)
    flats = client_flats(bundle.setup)
    if refine_passes is not None:
        flats["inference_config"] = attrs.evolve(flats["inference_config"], refine_passes=refine_passes)
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(target, bundle, flats)


def client_flats(setup: TrainingSetup) -> dict[str, Any]:
    """The client's flat configs by name that describe a setup; those of an inference have the client's defaults."""
    held: dict[str, Any] = dict(zip(FLAT, to_flat(setup), strict=True))
    made = {name: cls(**attrs.asdict(held[name], recurse=False)) for name, cls in FLAT.items()}
    return {**made, "inference_config": InferenceConfig()}
