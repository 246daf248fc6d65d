"""Shared by the commands. Nothing here imports torch, so that `--help` answers at once."""

import argparse
import gc
import json
import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import attrs
import shtab

from ptycho_config import ConfigError, LegacyDelta, Resolved, Sources, dump
from ptycho_config.documents import parse_or_explain
from ptycho_config.layers import COMMAND_LINE
from ptycho_config.profiles import NO_PROFILE, PROFILES, RECOMMENDED, named_profile
from ptycho_config.schema import DataOptions, ScaleOptions
from ptycho_config.schema.specs import specs
from ptycho_config.transform import Transform
from ptycho_config.vocabulary import aliases
from ptycho_torch.cli.completion import complete_paths
from ptycho_torch.cli.flags import LOOK, MESSAGES, OPTIONS, RESULTS
from ptycho_torch.cli.messages import WRONG, print_warning
from ptycho_torch.cli.options import Text, effective_assignments
from ptycho_torch.cli.parser import Parser
from ptycho_torch.errors import DataError, DivergedError, OutputError, Stopped
from ptycho_torch.output.run_configs import read_config

# Exit statuses; the second is EX_IOERR of sysexits.h.
UNUSABLE, UNWRITABLE = 2, 74
PROGRESS = "execution.enable_progress_bar"


def add_shared_flags(parser: Parser, cls: type, within: tuple[str, ...] = ("",)) -> None:
    """Add to the parser the config file, single options of the setup class cls, what looks and does nothing, quiet,
    strict and debug, and the help; within: how the paths of the options begin that have an effect."""
    options = parser.group(OPTIONS)
    config = options.add_argument(
        "--config", type=Path, metavar="FILE", help="options from a .yaml, .toml or .json file, or of a run: its folder"
    )
    config.complete = shtab.FILE  # type: ignore[attr-defined] # shtab reads it
    single = options.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="set any option; may be repeated"
    )
    single.complete = complete_paths(cls, values=True, within=within)  # type: ignore[attr-defined] # shtab reads it
    look = parser.group(LOOK).add_mutually_exclusive_group()
    look.add_argument(
        "--dry-run",
        action="store_true",
        help="check options and data, say what would be done, on what, for how long; write nothing",
    )
    explain = look.add_argument(
        "--explain", nargs="?", const="", metavar="PATH", help="print why an option (or every option) has its value"
    )
    explain.complete = complete_paths(cls, values=False, within=within)  # type: ignore[attr-defined] # shtab reads it
    look.add_argument("--print-config", action="store_true", help="print all options as a config file")
    legacy = look.add_argument(
        "--print-legacy", action="store_true", help="print what would enter the dict that code of PtychoPINN reads"
    )
    parser.hide(legacy)
    messages = parser.group(MESSAGES)
    messages.add_argument("--quiet", action="store_true", help="print only warnings, errors and where the report is")
    messages.add_argument("--strict", action="store_true", help=f"exit with {WRONG} where the verdict is 'wrong'")
    messages.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_help_all()


def add_result_flags(parser: Parser) -> argparse.Action:
    """`--overwrite`: results that are in the folder may go. `--report`, which is returned: shows what came out."""
    group = parser.group(RESULTS)
    group.add_argument("--overwrite", action="store_true", help="replace the results that are in the folder")
    return group.add_argument(
        "--report", action="store_true", help="open the report, which is always written, in the browser"
    )


def sources_from(arguments: argparse.Namespace, cls: type, positional: Sequence[Text] = ()) -> Sources:
    """The config-file and command-line layers of parsed arguments, for a setup of class `cls`; positional: those
    without a flag. Progress is shown unless `--quiet` or an option says otherwise."""
    texts = [*positional, *effective_assignments(arguments.given)]
    assigned, problems = parse_or_explain(cls, arguments.set, COMMAND_LINE)
    from_file = Transform()
    if arguments.config:
        try:
            from_file = read_config(cls, arguments.config)
        except ConfigError as error:
            from_it = (attrs.evolve(one, where=one.where or str(arguments.config)) for one in error.problems)
            problems = (*from_it, *problems)
    if arguments.quiet:
        texts.append((PROGRESS, "false", "--quiet"))
    elif PROGRESS not in {step.path for step in (*assigned.steps, *from_file.steps)}:
        texts.append((PROGRESS, "true", "without --quiet"))
    flagged, found = parse_or_explain(cls, texts, COMMAND_LINE)
    return Sources(config_file=from_file, command_line=flagged >> assigned, problems=(*problems, *found))


def profile_from(arguments: argparse.Namespace, sources: Sources) -> tuple[str | Transform | None, Sources]:
    """The profile of parsed arguments, and the sources with the problems of its file."""
    try:
        return named_profile(arguments.profile), sources
    except ConfigError as error:
        return None, attrs.evolve(sources, problems=(*error.problems, *sources.problems))


def add_profile_flag(parser: Parser) -> argparse.Action:
    """`--profile NAME`, or a file that is used as one; returns it."""
    names = ", ".join([RECOMMENDED, *PROFILES, NO_PROFILE])
    return parser.group(OPTIONS).add_argument(
        "--profile",
        default=RECOMMENDED,
        metavar="NAME",
        help=f"values below all other options: {names}, or a config file [default: %(default)s]",
    )


def is_inspection(arguments: argparse.Namespace) -> bool:
    """Whether the command shall print something instead of doing its work."""
    return not writes(arguments) or arguments.dry_run


def writes(arguments: argparse.Namespace) -> bool:
    """Whether the command shall do its work, or check as if it did."""
    return arguments.explain is None and not arguments.print_config and not arguments.print_legacy


def print_inspection(arguments: argparse.Namespace, configs: Resolved[Any], delta: LegacyDelta) -> None:
    """Print what the arguments `--explain`, `--print-config` or `--print-legacy` choose of configs and delta."""
    if arguments.explain:
        root: type = type(configs.config)
        alias = aliases(root).get(arguments.explain)
        for path in alias.paths if alias and alias.paths else (arguments.explain,):
            print(configs.explain(path))
    elif arguments.explain is not None:
        print(configs.explain())
    elif arguments.print_config:
        print(json.dumps(dump(configs.config), indent=2))
    else:
        print(json.dumps({"set": dict(delta.set), "unset": sorted(delta.unset)}, indent=2))


def add_reading_flags(parser: argparse.ArgumentParser) -> None:
    """`--measurement-domain` and `--mask`, for commands without the options of a setup."""
    parser.add_argument(
        "--measurement-domain",
        choices=list(ScaleOptions.CONTRACTS),
        default=specs(ScaleOptions)["domain"].default,
        metavar="NAME",
        help="what the patterns are [%(choices)s, default: %(default)s]",
    )
    parser.add_argument(
        "--mask",
        choices=get_args(specs(DataOptions)["mask"].annotation),
        default=specs(DataOptions)["mask"].default,
        metavar="NAME",
        help="pixels that are left out: those that the file marks, or also those found faulty "
        "[%(choices)s, default: %(default)s]",
    )


def add_strict_flag(parser: argparse.ArgumentParser) -> None:
    """`--strict`: the exit status says that a verdict is wrong."""
    parser.add_argument("--strict", action="store_true", help=f"exit with {WRONG} where the verdict is 'wrong'")


def positive(text: str) -> int:
    """An argument that is 1 or more."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {number}")
    return number


def announce(arguments: argparse.Namespace) -> None:
    """Print the first sign of life, and what the run says before it starts, unless `--quiet` or something is only
    looked at."""
    log = logging.getLogger("ptycho_torch")
    log.removeHandler(_TO_TERMINAL)
    log.setLevel(logging.NOTSET)
    if arguments.quiet or (hasattr(arguments, "explain") and is_inspection(arguments)):
        return
    # Importing torch takes seconds.
    print("starting PyTorch", file=sys.stderr, flush=True)
    log.addHandler(_TO_TERMINAL)
    log.setLevel(logging.INFO)


@contextmanager
def quick_imports() -> Iterator[None]:
    """Collect no garbage in the block, nor later what was made in it: modules stay, and to search all of them for
    garbage again and again takes a quarter of the time of their import."""
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collected:
            gc.enable()


class _Terminal(logging.Handler):
    """Prints the sentences of the library on standard error as they are."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr, flush=True)


_TO_TERMINAL = _Terminal(logging.INFO)


def parse_arguments(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse `argv` with the parser; each deprecated flag is one line on standard error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DeprecationWarning)
        arguments = parser.parse_args(argv)
    for warning in caught:
        print_warning(str(warning.message))
    return arguments


def run(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> int:
    """Run the command that `argv` names, which stands as `work` in the defaults of the parser.

    Returns the exit status: 0 done, 2 for what the user can change (one message), 3 where the verdict is wrong and the
    command strict, 74 where the results cannot be written, 130 when interrupted, 143 after SIGTERM.
    """
    arguments = parse_arguments(parser, argv)
    try:
        with warnings.catch_warnings(), _stop_on_sigterm():
            warnings.showwarning = lambda message, *_, **__: print_warning(str(message))
            status: int | None = arguments.work(arguments)
    except (ConfigError, DataError, DivergedError) as error:
        return _report(error, UNWRITABLE if isinstance(error, OutputError) else UNUSABLE, debug=arguments.debug)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _report(error, UNWRITABLE, debug=arguments.debug)
    except (KeyboardInterrupt, Stopped) as error:
        number = error.number if isinstance(error, Stopped) else signal.SIGINT
        sentence = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
        print("; ".join([sentence, *getattr(error, "__notes__", ())]), file=sys.stderr)
        return 128 + number
    return status or 0


def _report(error: Exception, status: int, *, debug: bool) -> int:
    """Print the error as one message; returns the exit status."""
    if debug:
        traceback.print_exception(error)
    print(f"error: {error}", file=sys.stderr)
    return status


@contextmanager
def _stop_on_sigterm() -> Iterator[None]:
    """SIGTERM raises Stopped in the block, so that it ends as an interrupt does: files closed, nothing half written."""

    def stop(number: int, _: object) -> None:
        raise Stopped(number)

    # Only the main thread can.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
