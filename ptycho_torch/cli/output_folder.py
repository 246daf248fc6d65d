"""The output folder of a command: nothing in it is written over unless that was allowed."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import attrs

from ptycho_config import Sources, parse
from ptycho_config.layers import COMMAND_LINE, CONFIG_FILE, TRAINING, Layer, last_put
from ptycho_config.schema.paths import leaves
from ptycho_torch.errors import DataError
from ptycho_torch.output.bundle_archive import BUNDLE_NAME

# What a run leaves that must not be lost: of a training the last checkpoint too.
TRAINED = (BUNDLE_NAME, "checkpoints/last.ckpt")
RECONSTRUCTED = ("reconstruction.npz",)
EVALUATED = ("evaluation.json",)


def find_results(folder: Path, names: Sequence[str]) -> str:
    """The first of the file `names` that is in the folder, or nothing."""
    return next((name for name in names if (folder / name).exists()), "")


def refuse_results(folder: Path, names: Sequence[str]) -> None:
    """Raise DataError where the folder has one of the file `names`."""
    if found := find_results(folder, names):
        resume = "--resume goes on with it, " if found == TRAINED[1] else ""
        hint = f"{resume}--overwrite replaces it; or choose another --output-dir"
        raise DataError(str(folder), f"holds {found} of an earlier run", hint)


def protect_results(
    sources: Sources, cls: type, path: str, names: Sequence[str], default: Path | None = None
) -> Sources:
    """The sources with an output folder that has none of the file `names`.

    cls, path: the setup class and its option that names the folder. Where the sources name it, it is refused if it has
    one of them; where they do not, its default, or this one, gets a number, which the derivation shows. Raises
    DataError.
    """
    layers = (Layer(CONFIG_FILE, sources.config_file), Layer(COMMAND_LINE, sources.command_line))
    named = last_put(layers, path, TRAINING)
    if named is not None:
        refuse_results(Path(named), names)
        return sources
    default = default or Path(dict(leaves(cls))[path].default)
    free = next_free(default, names)
    if free == default:
        return sources
    step = parse(cls, [(path, str(free), f"since {default} holds results")], COMMAND_LINE)
    return attrs.evolve(sources, command_line=sources.command_line >> step)


def next_free(folder: Path, names: Sequence[str]) -> Path:
    """The folder, or the first of `folder_2`, `folder_3`, ... that has none of the file `names`."""
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in itertools.count(2))
    return next(one for one in itertools.chain([folder], numbered) if not find_results(one, names))
