"""`ptycho`: one command for training, inference, data files and configurations."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import attrs

from ptycho_config import (
    PROFILES,
    TrainingSetup,
    config_file,
    create_training_payload,
    diff,
    json_schema,
    load,
    migrate,
)
from ptycho_config.documents import read_table
from ptycho_config.factory import Sources
from ptycho_config.schema.table import table_text
from ptycho_torch import inference, train
from ptycho_torch.cli.common import run

_DELEGATED = {"train": train.main, "infer": inference.main}


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho`, but for those of `train` and `infer`."""
    made = argparse.ArgumentParser(prog="ptycho", description=__doc__)
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("train", help="as ptycho_train", add_help=False)
    commands.add_parser("infer", help="as ptycho_inference", add_help=False)
    inspect = commands.add_parser("inspect", help="print what a scan file holds")
    inspect.add_argument("file", type=Path)
    inspect.set_defaults(work=_inspect)
    _add_config_commands(commands.add_parser("config", help="look at configurations"))
    return made


def _add_config_commands(config: argparse.ArgumentParser) -> None:
    commands = config.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="print every option with its value and layer")
    show.add_argument("file", type=Path, nargs="?", help="config file on top of the profile")
    show.add_argument("--profile", choices=[*PROFILES, train.NO_PROFILE], default="primed")
    show.set_defaults(work=_show)
    validate = commands.add_parser("validate", help="check a config file against schema and profile")
    validate.add_argument("file", type=Path)
    validate.add_argument("--profile", choices=[*PROFILES, train.NO_PROFILE], default="primed")
    validate.set_defaults(work=_validate)
    compare = commands.add_parser("diff", help="print what turns one complete config into another")
    compare.add_argument("old", type=Path, help="as printed by --print-config")
    compare.add_argument("new", type=Path)
    compare.set_defaults(work=_diff)
    schema = commands.add_parser("schema", help="print the JSON Schema")
    schema.set_defaults(work=_schema)
    bring = commands.add_parser("migrate", help="print a config file in the current version")
    bring.add_argument("file", type=Path)
    bring.set_defaults(work=_migrate)


def _inspect(arguments: argparse.Namespace) -> None:
    from ptycho_torch.data.readers import inspect_dataset

    print(json.dumps(attrs.asdict(inspect_dataset(arguments.file)), indent=2))


def _show(arguments: argparse.Namespace) -> None:
    profile = None if arguments.profile == train.NO_PROFILE else arguments.profile
    sources = Sources(config_file=config_file(TrainingSetup, arguments.file)) if arguments.file else Sources()
    configs, _ = create_training_payload(profile=profile, sources=sources)
    print(table_text(configs.table()))


def _validate(arguments: argparse.Namespace) -> None:
    profile = None if arguments.profile == train.NO_PROFILE else arguments.profile
    sources = Sources(config_file=config_file(TrainingSetup, arguments.file))
    create_training_payload(profile=profile, sources=sources)
    print(f"{arguments.file}: valid")


def _diff(arguments: argparse.Namespace) -> None:
    old, new = (load(TrainingSetup, read_table(path)) for path in (arguments.old, arguments.new))
    forward, backward = diff(old, new), {step.path: step.arg for step in diff(new, old).steps}
    for step in forward.steps:
        print(f"{step.path}: {backward[step.path]!r} -> {step.arg!r}")


def _schema(_: argparse.Namespace) -> None:
    print(json.dumps(json_schema(TrainingSetup), indent=2))


def _migrate(arguments: argparse.Namespace) -> None:
    print(json.dumps(migrate(read_table(arguments.file), TrainingSetup.SCHEMA), indent=2))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given and given[0] in _DELEGATED:
        return _DELEGATED[given[0]](given[1:])
    arguments = parser().parse_args(given)
    return run(arguments.work, arguments)


if __name__ == "__main__":
    sys.exit(main())
