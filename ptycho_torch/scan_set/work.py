"""The work on one scan of a set, with a network that is loaded once in each process."""

import json
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch

from ptycho_config import ConfigError
from ptycho_torch.api.inference import reconstruct, resolve_inference
from ptycho_torch.api.loading import Trained, load
from ptycho_torch.data.readers import digests, open_scan
from ptycho_torch.errors import DataError, DivergedError, OutputError
from ptycho_torch.files import create_writable_folder, write_text
from ptycho_torch.output.run_configs import read_run
from ptycho_torch.run_folder import check_result
from ptycho_torch.scan_set.plan import Task

FAILURE = "failure.txt"


@attrs.frozen
class ScanRow:
    """The outcome for one scan: figures of merit, None where it failed, and then the reason; `seconds` of this run, 0
    where the scan was finished before."""

    scan: str
    verdict: str | None
    R: float | None
    R_flat: float | None
    patterns: int | None
    seconds: float
    folder: Path
    failure: str = ""


class Worker:
    """A loaded network that reconstructs one scan after the other.

    model: the bundle; threads: of this process; again: also what is finished.
    """

    def __init__(self, model: Path, threads: int, *, again: bool = False) -> None:
        torch.set_num_threads(threads)
        self.trained, self.again = load(model), again

    def do(self, task: Task) -> ScanRow:
        """Reconstruct the scan of a task, unless that was done with the same options, file and network.

        One that cannot be reconstructed leaves `failure.txt` in its folder, whatever the reason: the others of the set
        are not to end with it. Raises OutputError where there is no room.
        """
        begun = time.perf_counter()
        try:
            if self.again or not _is_finished(task, self.trained):
                create_writable_folder(task.folder)
                (task.folder / FAILURE).unlink(missing_ok=True)
                reconstruct(task.scan, task.folder, model=self.trained, sources=task.sources, legacy={})
                return _row(task, time.perf_counter() - begun)
            return _row(task, 0.0)
        except OutputError:
            raise
        except (DataError, ConfigError, DivergedError) as error:
            return failure_row(task, str(error), seconds=time.perf_counter() - begun)
        except Exception as error:  # noqa: BLE001 - a fault of ours, on which the traceback in the folder tells more
            reason = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
            return failure_row(task, reason, seconds=time.perf_counter() - begun)


def failure_row(task: Task, reason: str, *, seconds: float) -> ScanRow:
    """The row of a task that failed after so many seconds, with the first line of the reason; all of it goes into
    `failure.txt` in its folder."""
    task.folder.mkdir(parents=True, exist_ok=True)
    write_text(task.folder / FAILURE, f"{reason}\n")
    first = reason.splitlines()[0]
    return ScanRow(task.scan.name, None, None, None, None, round(seconds, 2), task.folder, first)


def _record(folder: Path) -> Mapping[str, Any]:
    path = folder / "metrics.json"
    check_result(path)
    found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["inference"]
    return found


def _is_finished(task: Task, trained: Trained) -> bool:
    """Whether the folder of a task holds a whole reconstruction of the same file, network and options."""
    try:
        before, record = read_run(task.folder)["inference"].config, _record(task.folder)
    except (DataError, ConfigError, OSError, ValueError, KeyError):
        return False
    with open_scan(task.scan) as scan:
        model = Path(next(iter(trained.bundle.source)))
        configs, _ = resolve_inference(trained.setup, model, task.scan, task.folder, sources=task.sources, scan=scan)
        files = {**digests([scan]), **trained.bundle.source}
    return bool(configs.config == before and record.get("files") == files)


def _row(task: Task, seconds: float) -> ScanRow:
    record = _record(task.folder)
    return ScanRow(
        scan=task.scan.name,
        verdict=record["verdict"]["level"],
        R=record["R"],
        R_flat=record["R_flat"],
        patterns=record["patterns"],
        seconds=round(seconds, 2),
        folder=task.folder,
    )
