"""`ptycho sweep`: train every combination of some options, once."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_config.schema import TrainingSetup
from ptycho_torch.cli.common import add_profile_flag, announce, positive
from ptycho_torch.cli.completion import complete_paths
from ptycho_torch.cli.parser import Parser

if TYPE_CHECKING:
    from ptycho_torch.simulation import Simulation
    from ptycho_torch.sweep import Trial


def add_arguments(parser: Parser) -> None:
    """Add base, axes, output folder and engine."""
    parser.add_argument("base", type=Path, help="config file that all trials have in common")
    axis = parser.add_argument(
        "--axis",
        action="append",
        required=True,
        metavar="PATH=V1,V2",
        help="an option and its values; dose, overlap, probe_error, training_size, seed; or simulate.NAME, an option "
        "of ptycho simulate; several axes are combined in every way",
    )
    parser.add_argument(
        "--repeats", type=positive, default=1, metavar="N", help="seeds 0 to N - 1 for every point: mean and spread"
    )
    parser.add_argument(
        "--simulate",
        nargs="?",
        const="",
        metavar="FILE",
        help="train on, reconstruct and judge scans simulated with the options of a file, or those of ptycho simulate",
    )
    parser.add_argument("--truth", type=Path, metavar="FILE", help="the object of --test_data, which it is judged by")
    single = parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="set an option of all trials"
    )
    for action in (axis, single):
        action.complete = complete_paths(TrainingSetup, values=True)  # type: ignore[attr-defined] # shtab reads it
    parser.add_argument("--output-dir", type=Path, default=Path("sweep"), help="folder of the sweep")
    parser.add_argument("--test-data", type=Path, help="scan that every trial reconstructs")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes here, or Ray Tune")
    parser.add_argument("--jobs", type=positive, default=1, help="trials at a time [default: %(default)s]")
    add_profile_flag(parser)
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Plan, run what is missing, and show all results. Raises ConfigError or DataError."""
    announce(arguments)
    from ptycho_torch.errors import DataError
    from ptycho_torch.run_folder import claim_folder
    from ptycho_torch.sweep import axis, plan_sweep
    from ptycho_torch.sweep.plan import Base

    base = Base(arguments.base, arguments.profile, tuple(arguments.set), arguments.test_data, arguments.truth)
    simulation = _simulation(arguments.simulate)
    if simulation is not None and (arguments.test_data or arguments.truth):
        raise DataError("--simulate", "reconstructs what it simulates", "leave out --test_data and --truth")
    if arguments.truth and not arguments.test_data:
        raise DataError("--truth", "judges the reconstruction of --test_data", "give both")
    axes = [axis(text) for text in arguments.axis]
    if arguments.repeats > 1:
        axes.append(tuple(f"seed={seed}" for seed in range(arguments.repeats)))
    with ExitStack() as stack:
        if simulation is not None:
            # Its scans are written before they can be planned with.
            stack.enter_context(claim_folder(arguments.output_dir))
        trials = plan_sweep(base, axes, arguments.output_dir, simulation)
        if simulation is None:
            stack.enter_context(claim_folder(arguments.output_dir))
        _run(trials, arguments.output_dir, arguments)
        _show(trials, arguments.output_dir)


def _simulation(given: str | None) -> "Simulation | None":
    """The options of simulated scans: None without, those of a file, or the defaults where it is empty."""
    from ptycho_config import parse, resolve
    from ptycho_torch.simulation import Simulation

    if given is None:
        return None
    return resolve(Simulation(), parse(Simulation, Path(given))).config if given else Simulation()


def _run(trials: "Sequence[Trial]", folder: Path, arguments: argparse.Namespace) -> None:
    from ptycho_torch.sweep import run_local, run_ray
    from ptycho_torch.sweep.run import is_finished, threads_per_trial

    def report(trial: "Trial", done: bool) -> None:  # noqa: FBT001 - the runner calls it
        if not arguments.quiet:
            print(f"{'done' if done else 'FAILED'}: {trial}", file=sys.stderr, flush=True)

    if not arguments.quiet:
        finished = sum(map(is_finished, trials))
        print(f"{len(trials)} trials, {finished} finished before", file=sys.stderr, flush=True)
    if arguments.engine == "ray":
        run_ray(trials, folder, threads_per_trial(arguments.jobs))
    else:
        run_local(trials, arguments.jobs, report)


def _show(trials: "Sequence[Trial]", folder: Path) -> None:
    """Print and write the results of the trials. Raises DataError where there are none of some."""
    from ptycho_torch.errors import DataError
    from ptycho_torch.files import write_table
    from ptycho_torch.run_folder import write_results
    from ptycho_torch.sweep import draw_sweep, read_rows, table
    from ptycho_torch.sweep.results import flat_record, flat_summary, summarise

    rows = read_rows(trials)
    print(table(rows))
    if any(row.result for row in rows):
        with write_results(folder) as stage:
            write_table(stage / "sweep.csv", [flat_record(row) for row in rows if row.result])
            write_table(stage / "summary.csv", [flat_summary(one) for one in summarise(rows)])
            draw_sweep(stage / "sweep.png", rows)
        print(f"open {folder / 'sweep.png'}")
    failed = [row.trial for row in rows if row.result is None]
    if failed:
        raise DataError(
            str(folder), f"{len(failed)} of {len(rows)} trials failed", f"see {failed[0].folder}/failure.txt"
        )
