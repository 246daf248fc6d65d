"""`ptycho refine`: improve an object against the patterns of a scan, without a network."""

import argparse
import json
from pathlib import Path
from typing import Any

import attrs
import shtab

from ptycho_config import ConfigError, Problem, Resolved, Sources, Transform, at, dump, fields, resolve
from ptycho_config.layers import PROFILE, TRAINING, Layer
from ptycho_config.legacy import legacy_delta
from ptycho_config.policy import refuse_unread
from ptycho_config.schema import InferenceConfig, InferenceSetup, RefineOptions
from ptycho_config.schema.paths import leaves_of
from ptycho_config.schema.specs import specs
from ptycho_config.transform import with_where
from ptycho_config.vocabulary import aliases
from ptycho_torch.cli import common
from ptycho_torch.cli.flags import REFINEMENT, RESULTS
from ptycho_torch.cli.messages import conclude
from ptycho_torch.cli.options import add_flags
from ptycho_torch.cli.output_folder import RECONSTRUCTED, protect_results
from ptycho_torch.cli.parser import Parser
from ptycho_torch.data.damage import check_regular
from ptycho_torch.pretrained import PRETRAINED

PASSES = 6
OUTPUT = Path("refined")
# The options of an inference that a refinement reads.
READ = (
    "torch.refine.",
    *("torch.data.position_origin", "torch.data.mask", "torch.data.fix_orientation", "torch.scale.domain"),
    *("execution.accelerator", common.PROGRESS, "inference.output_dir", "inference.subsample_seed"),
)
SUBJECT = "the options of a refinement"
SUMMARY = "Improve an object against the patterns of a scan, without a network."
EXAMPLE = "example:  %(prog)s scan.npz --start result/product.h5 --refine-probe"
c = fields(InferenceSetup)
_DEFAULTS = (
    at(c.torch.refine.passes).put(PASSES)
    >> at(c.inference.output_dir).put(OUTPUT)
    >> at(c.inference.subsample_seed).put(0)
)


def add_arguments(parser: Parser) -> None:
    """Add scan, start, options and output folder."""
    parser.usage = "%(prog)s SCAN [--output-dir DIR] [flags]"
    parser.description, parser.epilog = SUMMARY, EXAMPLE
    group = parser.group(RESULTS)
    scan = group.add_argument("scan", type=Path, metavar="SCAN", help="scan with the patterns")
    start = group.add_argument(
        "--start",
        default="coarse",
        metavar="OBJECT",
        help="'coarse', what totals and centres of mass of the patterns give; 'flat'; or a "
        "reconstruction.npz or product.h5 [default: %(default)s]",
    )
    for action in (scan, start):
        action.complete = shtab.FILE  # type: ignore[attr-defined] # shtab reads it
    defaults = {path: str(value) for path, _, value in leaves_of(_DEFAULTS(_base(PRETRAINED)))}
    add_flags(parser, InferenceSetup, REFINEMENT, defaults)
    common.add_result_flags(parser)
    common.add_shared_flags(parser, InferenceSetup, READ)
    parser.set_defaults(work=work)


def _base(scan: Path) -> InferenceSetup:
    """The options of an inference of a scan, of which a refinement reads some; it has no network."""
    return InferenceSetup(inference=InferenceConfig(model_path=PRETRAINED, test_data_file=scan))


def resolve_refinement(scan: Path, sources: Sources) -> Resolved[InferenceSetup]:
    """The options of a refinement of a scan, from the layers of its sources. Raises ConfigError, also for an option
    that no refinement reads."""
    read = sources.layers(InferenceSetup, Transform())
    if read.problems:
        raise ConfigError(read.problems, SUBJECT)
    made = resolve(_base(scan), Layer(PROFILE, with_where(_DEFAULTS, "refine")), *read.layers, order=TRAINING)
    others = [row for row in made.explain().rows if row.value != row.old and not row.path.startswith(READ)]
    message = "would have no effect: a refinement does not read it"
    if others:
        problems = [Problem(row.path, message, row.layer, row.where, "leave it out") for row in others]
        raise ConfigError(problems, SUBJECT)
    refuse_unread(made)
    return made


def _spell_out(assignment: str) -> str:
    """An assignment to an option of `torch.refine` may leave that out."""
    name = assignment.partition("=")[0]
    own = name in specs(RefineOptions) or not ("." in name or name in aliases(InferenceSetup))
    return f"torch.refine.{assignment}" if own else assignment


def _print_inspection(arguments: argparse.Namespace, configs: Resolved[InferenceSetup]) -> None:
    """As for other commands, of the options that a refinement reads."""
    if arguments.explain == "":
        made = configs.explain()
        print(attrs.evolve(made, rows=tuple(row for row in made.rows if row.path.startswith(READ))))
    elif arguments.print_config:
        print(json.dumps(_select(dump(configs.config)), indent=2))
    else:
        common.print_inspection(arguments, configs, legacy_delta(configs.config.inference))


def _select(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The part of a dumped config that a refinement reads."""
    chosen: dict[str, Any] = {}
    for name, value in table.items():
        path = f"{prefix}{name}"
        if path.startswith(READ) or (not prefix and not isinstance(value, dict)):
            chosen[name] = value
        elif isinstance(value, dict) and (inner := _select(value, f"{path}.")):
            chosen[name] = inner
    return chosen


def work(arguments: argparse.Namespace) -> int:
    """Refine and print how well the object explains the patterns; returns the exit status.

    Raises ConfigError or DataError.
    """
    check_regular(arguments.scan)
    arguments.set = [_spell_out(assignment) for assignment in arguments.set]
    sources = common.sources_from(arguments, InferenceSetup)
    if common.writes(arguments) and not arguments.overwrite:
        sources = protect_results(sources, InferenceSetup, "inference.output_dir", RECONSTRUCTED, OUTPUT)
    configs = resolve_refinement(arguments.scan, sources)
    common.announce(arguments)
    if not common.writes(arguments):
        _print_inspection(arguments, configs)
        return 0
    setup = configs.config
    if arguments.dry_run:
        from ptycho_torch.cli.preview import preview_refinement

        print(preview_refinement(arguments.scan, setup, arguments.start))
        return 0
    with common.quick_imports():
        from ptycho_torch.api.refinement import refine_scan
        from ptycho_torch.device import seed_or_fresh

    made = refine_scan(
        arguments.scan,
        setup.inference.output_dir,
        setup.torch.refine,
        start=arguments.start,
        domain=setup.torch.scale.domain,
        data=setup.torch.data,
        seed=seed_or_fresh(setup.inference.subsample_seed),
        accelerator=setup.execution.accelerator,
        visible=setup.execution.enable_progress_bar,
    )
    metrics, seconds = made.metrics, made.metrics.seconds.refine
    sentence = (
        f"refined {metrics.patterns} patterns in {seconds:.1f} s; R = {metrics.R:.4f} "
        f"(a flat object has {metrics.R_flat:.4f})"
    )
    return conclude(arguments, (sentence, *metrics.choices), metrics.verdict, made.folder / "report.html")
