"""Feed damaged files to a reader, and tell what is not answered by one of our errors."""

import faulthandler
import resource
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import attrs
import numpy as np

from ptycho_config import ConfigError
from ptycho_torch.data.dataset import read_dataset
from ptycho_torch.data.formats import hdf5_trial
from ptycho_torch.data.patterns import chunks
from ptycho_torch.data.readers import open_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.errors import DataError
from tests.fuzz.artefacts import READ_ARTEFACT, damage_member, damage_text, write_artefact
from tests.fuzz.files import HDF5, write
from tests.fuzz.mutations import damage_arrays, damage_bytes, damage_hdf5

# The seconds that one input may take, more than HDF5 has on a busy machine, and the memory; the seconds without a copy.
SECONDS, BYTES, SECONDS_ALONE = 90, 6 * 2**30, 3


@attrs.frozen
class Failure:
    """An input, by reader and seed, that was not answered by an error of ours, and what came instead."""

    reader: str
    seed: int
    what: str


def feed(reader: str, seed: int, folder: Path, read: Callable[[Path], object] | None = None) -> str:
    """Damage a valid file of a reader in an empty folder, as the seed has it, and read it, as the product does or by
    `read`; returns what came that is not an error of ours, or nothing."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        path = _damaged(reader, np.random.default_rng((seed, sum(reader.encode()))), folder)
        return _outcome(read or READ_ARTEFACT.get(reader, _read_all), path)


@cache
def _whole(reader: str) -> tuple[str, dict[str, bytes]]:
    """The name of the file to open, and the content of all files by name."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_artefact(reader, folder) if reader in READ_ARTEFACT else write(reader, folder)
        return path.name, {one.name: one.read_bytes() for one in sorted(folder.iterdir())}


def _damaged(reader: str, rng: np.random.Generator, folder: Path) -> Path:
    opened, files = _whole(reader)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    path, chosen = folder / opened, folder / list(files)[int(rng.integers(len(files)))]
    if reader in {*HDF5, "product", "result"} and chosen.suffix != ".csv" and rng.random() < 0.6:
        damage_hdf5(chosen, rng)
    elif zipfile.is_zipfile(chosen) and reader in READ_ARTEFACT and rng.random() < 0.6:
        damage_member(chosen, rng)
    elif reader.endswith("config") and rng.random() < 0.5:
        damage_text(chosen, rng)
    elif reader == "npz" and rng.random() < 0.5:
        damage_arrays(chosen, rng)
    else:
        damage_bytes(chosen, rng)
    return path


def _read_all(path: Path) -> None:
    with open_scan(path) as scan:
        describe(scan)
        for part in chunks(read_dataset(scan, "count_intensity", probe_needed=False).intensity):
            part.sum()


def _outcome(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except (DataError, ConfigError):
        return ""
    except BaseException as error:  # noqa: BLE001 - what comes is what is looked for
        place = traceback.extract_tb(error.__traceback__)
        own = next((one for one in reversed(place) if "ptycho_torch" in one.filename), place[-1])
        return f"{type(error).__name__}: {str(error)[:80]!r} at {Path(own.filename).name}:{own.lineno}"
    return ""


def _work(reader: str, start: int, stop: int, *, alone: bool) -> None:
    """Feed seeds, and print each before, and what came after it; alone: without a copy that reads HDF5 first."""
    seconds = SECONDS_ALONE if alone else SECONDS

    def end(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"over {seconds} s")

    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, end)
    hdf5_trial.IS_COPY = alone
    for seed in range(start, stop):
        print(f"{seed}", flush=True)
        with tempfile.TemporaryDirectory() as name:
            signal.alarm(seconds)
            # A library that does not return is ended with the process.
            faulthandler.dump_traceback_later(2 * seconds, exit=True)
            found = feed(reader, seed, Path(name))
            faulthandler.cancel_dump_traceback_later()
            signal.alarm(0)
        if found:
            print(f"{seed} {found}", flush=True)


def fuzz(reader: str, count: int, start: int = 0) -> Iterator[Failure]:
    """Feed count inputs to a reader, in processes whose end is a failure too.

    A copy of the process that reads HDF5 first takes four times as long as reading, and changes nothing where reading
    succeeds. So inputs are read without one, and those that fail again with one, as everywhere else.
    """
    for failure in _failures(reader, start, start + count, alone=True):
        yield from _failures(reader, failure.seed, failure.seed + 1, alone=False)


def _failures(reader: str, seed: int, stop: int, *, alone: bool) -> Iterator[Failure]:
    while seed < stop:
        command = [sys.executable, "-m", "tests.fuzz.run", reader, str(seed), str(stop), *["alone"] * alone]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in made.stdout.splitlines():
            number, _, what = line.partition(" ")
            if what:
                yield Failure(reader, int(number), what)
            seed = int(number)
        if made.returncode:
            yield Failure(reader, seed, f"the process ended with {made.returncode}: {made.stderr[-200:]!r}")
        seed += 1


if __name__ == "__main__":
    arguments: Any = sys.argv[1:]
    _work(arguments[0], int(arguments[1]), int(arguments[2]), alone="alone" in arguments)
