"""`ptycho infer` of many scans: each into a folder of its own, then one table and one picture."""

import argparse
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from ptycho_config.layers import COMMAND_LINE, CONFIG_FILE, TRAINING, Layer, last_put
from ptycho_config.schema import InferenceSetup
from ptycho_config.schema.paths import leaves
from ptycho_torch.cli import common
from ptycho_torch.cli.messages import WRONG
from ptycho_torch.errors import DataError
from ptycho_torch.files import write_table
from ptycho_torch.run_folder import claim_folder, write_results
from ptycho_torch.scan_set.plan import plan_tasks
from ptycho_torch.scan_set.results import draw_contact_sheet, flat_record, table
from ptycho_torch.scan_set.run import run_local, run_ray
from ptycho_torch.scan_set.work import ScanRow
from ptycho_torch.sweep.run import threads_per_trial
from ptycho_torch.verdict import LEVELS

_FOLDER = "inference.output_dir"
SHEET = "contact_sheet.png"


def work_on_many(arguments: argparse.Namespace, path: Path) -> int:
    """Reconstruct the scans that a path means, but for those that are finished; returns the exit status.

    arguments: of the command. Raises ConfigError, and DataError also where a scan failed, after all others.
    """
    quiet = arguments.quiet
    # Progress and header of every single scan would bury the others.
    common.announce(argparse.Namespace(quiet=True))
    arguments.quiet = True
    sources = common.sources_from(arguments, InferenceSetup)
    layers = (Layer(CONFIG_FILE, sources.config_file), Layer(COMMAND_LINE, sources.command_line))
    folder = Path(last_put(layers, _FOLDER, TRAINING) or dict(leaves(InferenceSetup))[_FOLDER].default)
    tasks = plan_tasks(path, folder, arguments.model_path, sources)
    if not quiet:
        print(f"{len(tasks)} scans, results in {folder}", file=sys.stderr, flush=True)

    def report(row: ScanRow) -> None:
        if not quiet:
            state = "FAILED" if row.failure else f"done in {row.seconds:.1f} s" if row.seconds else "done before"
            print(f"{row.scan}: {state}", file=sys.stderr, flush=True)

    with claim_folder(folder):
        if arguments.engine == "ray":
            rows = run_ray(tasks, threads_per_trial(arguments.jobs), report, again=arguments.overwrite)
        else:
            rows = run_local(tasks, arguments.jobs, report, again=arguments.overwrite)
        _write(rows, folder)
    failed = [row for row in rows if row.failure]
    drawn = len(failed) < len(rows)
    if not quiet:
        print(table(rows))
    if drawn:
        print(folder / SHEET if quiet else f"open {folder / SHEET}")
    if arguments.report and drawn:
        webbrowser.open((folder / SHEET).resolve().as_uri())
    if failed:
        raise DataError(
            str(folder), f"{len(failed)} of {len(rows)} scans failed", f"see {failed[0].folder}/failure.txt"
        )
    wrong = any(row.verdict == LEVELS[-1] for row in rows)
    return WRONG if arguments.strict and wrong else 0


def _write(rows: Sequence[ScanRow], folder: Path) -> None:
    with write_results(folder) as stage:
        write_table(stage / "scans.csv", [flat_record(row) for row in rows])
        if not all(row.failure for row in rows):
            draw_contact_sheet(stage / SHEET, rows)
