"""What both commands share. Nothing here imports torch, so that `--help` answers at once."""

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ptycho_config import ConfigError, LegacyDelta, Resolved, Sources, Transform, config_file, dump, parse
from ptycho_config.documents import parse_texts
from ptycho_config.schema import leaves
from ptycho_config.schema.table import table_text
from ptycho_torch.errors import DataError, DivergedError

COMMAND_LINE = "command line"
PROGRESS = "execution.enable_progress_bar"
Flags = Mapping[str, tuple[str, ...]]


def add_option_flags(parser: argparse.ArgumentParser, cls: type, flags: Flags) -> None:
    """One flag per option path; its help is the option's own doc, type and unit."""
    known = dict(leaves(cls))
    for path, names in flags.items():
        spec = known[path]
        kind = f"{spec.type_name}, {spec.unit}" if spec.unit else spec.type_name
        parser.add_argument(
            *names, dest=path, metavar="VALUE", help=f"{spec.doc} [{kind}]".replace("%", "%%")
        )


def add_shared_flags(parser: argparse.ArgumentParser) -> None:
    """Config file, single options, quiet and debug."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="options from a .yaml, .toml or .json file"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="set any option; may be repeated"
    )
    looks = parser.add_mutually_exclusive_group()
    looks.add_argument(
        "--explain",
        nargs="?",
        const="",
        metavar="PATH",
        help="print why an option (or every option) has its value, and exit",
    )
    looks.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration, and exit"
    )
    looks.add_argument(
        "--dry-run",
        action="store_true",
        help="check configuration and data, print what would enter the legacy dict, and exit; writes nothing",
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")


def sources_from(arguments: argparse.Namespace, cls: type, flags: Flags) -> Sources:
    """The config-file and command-line layers of parsed arguments. Progress is shown unless
    `--quiet` or an option says otherwise."""
    given = vars(arguments)
    texts = [(path, given[path], names[0]) for path, names in flags.items() if given[path] is not None]
    assigned = parse(cls, arguments.set, COMMAND_LINE)
    from_file = config_file(cls, arguments.config) if arguments.config else Transform()
    if arguments.quiet:
        texts.append((PROGRESS, "false", "--quiet"))
    elif PROGRESS not in {step.path for step in (*assigned.steps, *from_file.steps)}:
        texts.append((PROGRESS, "true", "without --quiet"))
    return Sources(config_file=from_file, command_line=parse_texts(cls, texts, COMMAND_LINE) >> assigned)


def only_looking(arguments: argparse.Namespace) -> bool:
    """Whether the command shall print something instead of doing its work."""
    return arguments.explain is not None or arguments.print_config or arguments.dry_run


def look(arguments: argparse.Namespace, configs: Resolved[Any], delta: LegacyDelta) -> None:
    """Print what `--explain`, `--print-config` or `--dry-run` asks for."""
    if arguments.explain:
        print(configs.explain(arguments.explain))
    elif arguments.explain is not None:
        print(table_text(configs.table()))
    elif arguments.print_config:
        print(json.dumps(dump(configs.config), indent=2))
    else:
        print(json.dumps({"set": dict(delta.set), "unset": sorted(delta.unset)}, indent=2))


def announce(arguments: argparse.Namespace) -> None:
    """The first sign of life: importing torch takes seconds."""
    if not arguments.quiet:
        print("starting PyTorch", file=sys.stderr, flush=True)


def run(work: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Exit status: 0 done, 2 for what the user can change (one message), 130 when interrupted."""
    try:
        work(arguments)
    except (ConfigError, DataError, DivergedError) as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0
