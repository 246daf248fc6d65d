"""`ptycho config`: look at configurations, those of files and those that runs have left."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptycho_config import ConfigError, Sources, create_training_payload, diff, dump, load, resolve
from ptycho_config.formats import read_document
from ptycho_config.json_schema import json_schema
from ptycho_config.layers import Layer
from ptycho_config.policy import refuse_unread
from ptycho_config.resolve import Resolved
from ptycho_config.schema import InferenceSetup, RefineOptions, TrainingSetup
from ptycho_config.schema.paths import leaves_of
from ptycho_config.versions import EDITOR_KEY, SCHEMA_KEY, migrate, version_of
from ptycho_torch.cli.common import add_profile_flag, profile_from
from ptycho_torch.cli.parser import Parser
from ptycho_torch.compat.ptychopinn.config_files import translate
from ptycho_torch.errors import DataError
from ptycho_torch.output.run_configs import KINDS, RECORD, is_run, read_config, read_run

RUN = "or a run: its folder, config.json or bundle"


def add_arguments(config: Parser) -> None:
    """The commands of `ptycho config`."""
    commands = config.add_subparsers(dest="config_command", required=True, metavar="COMMAND", prog="ptycho config")
    show = commands.add_parser(
        "show", help="print every option with its value and layer, and what a run decided itself"
    )
    show.add_argument("file", type=Path, nargs="?", help=f"config file on top of the profile; {RUN}, as it was")
    add_profile_flag(show)
    show.set_defaults(work=_show)
    validate = commands.add_parser("validate", help="check a config file against schema and profile, or a run")
    validate.add_argument("file", type=Path, help=f"a config file, {RUN}")
    add_profile_flag(validate)
    validate.set_defaults(work=_validate)
    compare = commands.add_parser("diff", help="print in which options two complete configs or two runs differ")
    compare.add_argument("old", type=Path, help=f"a config as printed by --print-config, {RUN}")
    compare.add_argument("new", type=Path)
    compare.set_defaults(work=_diff)
    schema = commands.add_parser("schema", help="print the JSON Schema of config files, for editors")
    schema.add_argument("kind", nargs="?", choices=list(KINDS), default="training", help="[default: %(default)s]")
    schema.set_defaults(work=lambda arguments: _print_json(json_schema(KINDS[arguments.kind])))
    bring = commands.add_parser(
        "migrate", help="print a config file, of PtychoPINN too, or the config of a run, in the current version"
    )
    bring.add_argument("file", type=Path, help=f"a config file, {RUN}")
    bring.set_defaults(work=_migrate)


def _print_json(table: object) -> None:
    print(json.dumps(table, indent=2))


def _resolve(arguments: argparse.Namespace) -> Resolved[Any]:
    """The config of a run as it was, or that of a training with the file on top of the profile."""
    if arguments.file is not None and is_run(arguments.file):
        return list(read_run(arguments.file).values())[-1]
    sources = Sources()
    if arguments.file:
        try:
            sources = Sources(config_file=read_config(TrainingSetup, arguments.file))
        except ConfigError as error:
            sources = Sources(problems=error.problems)
    profile, sources = profile_from(arguments, sources)
    return create_training_payload(profile=profile, sources=sources)[0]


def _show(arguments: argparse.Namespace) -> None:
    path = arguments.file
    if path is None or not is_run(path):
        print(_resolve(arguments).explain())
        return
    metrics = (path if path.is_dir() else path.parent) / "metrics.json"
    found = json.loads(metrics.read_text(encoding="utf-8")) if metrics.is_file() else {}
    if "refinement" in found:
        _show_refinement(found["refinement"], metrics)
        return
    print(_resolve(arguments).explain())
    for sentence in _choices(found["inference"], metrics) if "inference" in found else ():
        print(sentence)


def _show_refinement(found: object, metrics: Path) -> None:
    """Print the options of `torch.refine` of a refinement, and what it decided from the patterns."""
    from ptycho_torch.output.run_records import RefinementRecord, from_json

    record = from_json(RefinementRecord, found, metrics)
    made = resolve(RefineOptions(), Layer(RECORD, diff(RefineOptions(), record.options)))
    print("\n".join([str(made.explain()), *record.choices]))


def _choices(found: object, metrics: Path) -> tuple[str, ...]:
    """Sentences on what a reconstruction decided from the patterns, and why."""
    # Takes torch along, which the configs alone do not need.
    from ptycho_torch.output.run_records import InferenceRecord, from_json

    try:
        return from_json(InferenceRecord, found, metrics).choices
    except DataError as error:
        # The options of a run of another version are still worth seeing.
        return (str(error),)


def _validate(arguments: argparse.Namespace) -> None:
    refuse_unread(_resolve(arguments))
    print(f"{arguments.file}: valid")


def _migrate(arguments: argparse.Namespace) -> None:
    if is_run(arguments.file):
        _print_json(dump(_resolve(arguments).config))
    else:
        data = read_document(arguments.file).data
        if SCHEMA_KEY in data or EDITOR_KEY in data:
            _print_json(migrate(data, TrainingSetup.SCHEMA))
            return
        document, fates = translate(data)
        _print_json(document)
        for fate in fates:
            print(fate, file=sys.stderr)


# By path: the value of an option, and the layer that set it, where that is known.
_Values = dict[str, tuple[Any, str]]


def _diff(arguments: argparse.Namespace) -> None:
    sides = [_values(path) for path in (arguments.old, arguments.new)]
    shared = [kind for kind in sides[0] if kind in sides[1]]
    if not shared:
        found, other = (" and a ".join(side) for side in sides)
        raise DataError(str(arguments.new), f"is the config of a {other}, {arguments.old} that of a {found}")
    old, new = (side[shared[-1]] for side in sides)
    for path in dict.fromkeys((*old, *new)):
        if old.get(path, (None,))[0] != new.get(path, (None,))[0]:
            print(f"{path}: {_text_of(old, path)} -> {_text_of(new, path)}")


def _text_of(values: _Values, path: str) -> str:
    if path not in values:
        return "not there"
    value, layer = values[path]
    return f"{value!r} [{layer}]" if layer else repr(value)


def _values(path: Path) -> Mapping[str, _Values]:
    """All options of a complete config or a run, by kind of run."""
    if is_run(path):
        return {
            kind: {row.path: (row.value, f"{row.layer} {row.where}".strip()) for row in made.explain().rows}
            for kind, made in read_run(path).items()
        }
    table = read_document(path).data
    inference = str(version_of(table, TrainingSetup.SCHEMA)).startswith(InferenceSetup.SCHEMA.partition("/")[0])
    setup: Any = load(InferenceSetup if inference else TrainingSetup, table)
    return {"inference" if inference else "training": {at: (value, "") for at, _, value in leaves_of(setup)}}
