"""`ptycho`: one command for training, inference, data files and configurations."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import shtab

from ptycho_config import create_training_payload, diff, load, parse
from ptycho_config.codec import migrate
from ptycho_config.documents import read_table
from ptycho_config.factory import Sources
from ptycho_config.json_schema import json_schema
from ptycho_config.policy import refuse_unread
from ptycho_config.profiles import named_profile
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.table import table_text
from ptycho_torch.cli import evaluate, inspect, refine, sweep, train
from ptycho_torch.cli import infer as inference
from ptycho_torch.cli.common import add_profile_flag, run


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho`, but for those of `train` and `infer`."""
    made = argparse.ArgumentParser(prog="ptycho", description=__doc__)
    made.add_argument("--version", action="version", version=version("ptycho"))
    made.set_defaults(debug=False)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train.add_arguments(commands.add_parser("train", help="train a network on a scan"))
    inference.add_arguments(commands.add_parser("infer", help="reconstruct a scan with a trained network"))
    evaluate.add_arguments(commands.add_parser("evaluate", help="compare an object with a reference"))
    inspect.add_arguments(commands.add_parser("inspect", help="print what a scan file holds"))
    refine.add_arguments(commands.add_parser("refine", help="improve an object without a network"))
    sweep.add_arguments(commands.add_parser("sweep", help="train every combination of some options"))
    _add_config_commands(commands.add_parser("config", help="look at configurations"))
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=shtab.SUPPORTED_SHELLS)
    completion.set_defaults(work=lambda arguments: print(shtab.complete(made, arguments.shell)))
    return made


def _add_config_commands(config: argparse.ArgumentParser) -> None:
    commands = config.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print every option with its value and layer")
    show.add_argument("file", type=Path, nargs="?", help="config file on top of the profile")
    add_profile_flag(show)
    show.set_defaults(work=_show)
    validate = commands.add_parser("validate", help="check a config file against schema and profile")
    validate.add_argument("file", type=Path)
    add_profile_flag(validate)
    validate.set_defaults(work=_validate)
    compare = commands.add_parser("diff", help="print what turns one complete config into another")
    compare.add_argument("old", type=Path, help="as printed by --print-config")
    compare.add_argument("new", type=Path)
    compare.set_defaults(work=_diff)
    schema = commands.add_parser("schema", help="print the JSON Schema")
    schema.set_defaults(work=lambda _: _print_json(json_schema(TrainingSetup)))
    bring = commands.add_parser("migrate", help="print a config file in the current version")
    bring.add_argument("file", type=Path)
    bring.set_defaults(work=lambda arguments: _print_json(migrate(read_table(arguments.file), TrainingSetup.SCHEMA)))


def _print_json(table: object) -> None:
    print(json.dumps(table, indent=2))


def _show(arguments: argparse.Namespace) -> None:
    sources = Sources(config_file=parse(TrainingSetup, arguments.file)) if arguments.file else Sources()
    configs, _ = create_training_payload(profile=named_profile(arguments.profile), sources=sources)
    print(table_text(configs.table()))


def _validate(arguments: argparse.Namespace) -> None:
    sources = Sources(config_file=parse(TrainingSetup, arguments.file))
    refuse_unread(create_training_payload(profile=named_profile(arguments.profile), sources=sources)[0])
    print(f"{arguments.file}: valid")


def _diff(arguments: argparse.Namespace) -> None:
    old, new = (load(TrainingSetup, read_table(path)) for path in (arguments.old, arguments.new))
    forward, backward = diff(old, new), {step.path: step.arg for step in diff(new, old).steps}
    for step in forward.steps:
        print(f"{step.path}: {backward[step.path]!r} -> {step.arg!r}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
