"""`ptycho_inference`: reconstruct a scan with a trained network, one's own or the shipped one."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import shtab

from ptycho_config.schema import InferenceSetup
from ptycho_config.schema.paths import leaves
from ptycho_torch.cli import common
from ptycho_torch.cli.dialects import EPILOG, add_dialects
from ptycho_torch.cli.flags import INFERENCE, RESULTS
from ptycho_torch.cli.messages import conclude
from ptycho_torch.cli.options import add_flags
from ptycho_torch.cli.output_folder import RECONSTRUCTED, protect_results
from ptycho_torch.cli.parser import Parser
from ptycho_torch.data.damage import check_regular
from ptycho_torch.errors import DataError
from ptycho_torch.pretrained import PRETRAINED
from ptycho_torch.scan_set.paths import means_many

SUMMARY = "Reconstruct a scan with a trained network: yours, or that of ptycho."
# Read by no training, though a bundle may name them.
_OWN = "torch.refine."
EXAMPLE = "example:  %(prog)s scan.npz --output-dir result"


def add_arguments(parser: Parser) -> None:
    """Add every argument of an inference."""
    parser.usage = "%(prog)s SCAN [--output-dir DIR] [flags]"
    parser.epilog = f"{EXAMPLE}\n{EPILOG}"
    group = parser.group(RESULTS)
    scan = group.add_argument(
        "scan",
        type=Path,
        nargs="?",
        metavar="SCAN",
        help="scan to reconstruct, or a folder or .txt list of scans, each into its own folder",
    )
    by_name = group.add_argument("--test-data", "--test-data-file", type=Path, metavar="SCAN", help="the same, by name")
    parser.hide(by_name)
    model = group.add_argument(
        "--model-path",
        "--model-dir",
        type=Path,
        default=PRETRAINED,
        metavar="RUN",
        help="folder of a training, or its wts.h5.zip [default: the network that comes with ptycho]",
    )
    for action in (scan, by_name, model):
        action.complete = shtab.FILE  # type: ignore[attr-defined] # shtab reads it
    add_flags(parser, InferenceSetup, INFERENCE, inference_defaults())
    common.add_result_flags(parser)
    group.add_argument("--jobs", type=common.positive, default=1, help="of many scans, as many at a time [default: 1]")
    group.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="of many scans: processes here, or a Ray cluster"
    )
    common.add_shared_flags(parser, InferenceSetup)
    add_dialects(parser, InferenceSetup, INFERENCE)
    parser.set_defaults(work=work)


def inference_defaults() -> dict[str, str]:
    """The value of every option where nothing is given, by path; the bundle gives most of them."""
    return {
        path: "as trained"
        if spec.inference == "suggested" and spec.doc and not path.startswith(_OWN)
        else str(spec.default)
        for path, spec in leaves(InferenceSetup)
        if not spec.required
    }


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_inference`."""
    made = Parser(prog="ptycho_inference", description=SUMMARY)
    add_arguments(made)
    return made


def work(arguments: argparse.Namespace) -> int:
    """Reconstruct, or show what would be reconstructed; returns the exit status."""
    model, scan = arguments.model_path, _scan(arguments)
    many = means_many(scan)
    if many and not common.is_inspection(arguments):
        common.announce(arguments)
        from ptycho_torch.cli.infer_many import work_on_many

        return work_on_many(arguments, scan)
    if not many:
        # Before PyTorch is imported, which takes seconds.
        check_regular(scan)
    sources = common.sources_from(arguments, InferenceSetup)
    if not many and common.writes(arguments) and not arguments.overwrite:
        sources = protect_results(sources, InferenceSetup, "inference.output_dir", RECONSTRUCTED)
    common.announce(arguments)
    with common.quick_imports():
        from ptycho_torch.api import reconstruct, resolve_inference

    if common.is_inspection(arguments):
        from ptycho_torch.api.loading import load
        from ptycho_torch.data.readers import open_scan
        from ptycho_torch.output.bundle import load_bundle

        if many:
            from ptycho_torch.scan_set.plan import find_scans

            scan = find_scans(scan)[0]
        with open_scan(scan) as opened:
            configs, delta = resolve_inference(
                load_bundle(model).setup, model, scan, sources=sources, checked=arguments.dry_run, scan=opened
            )
            if arguments.dry_run:
                from ptycho_torch.cli.preview import preview_inference

                print(preview_inference(load(model), configs.config, opened))
                return 0
        common.print_inspection(arguments, configs, delta)
        return 0
    result = reconstruct(scan, model=model, sources=sources)
    metrics = result.metrics
    seconds = metrics.seconds
    refined = "" if seconds.refine is None else f", refined in {seconds.refine:.1f} s"
    sentence = (
        f"reconstructed {metrics.patterns} patterns in {seconds.predict_and_stitch:.1f} s{refined}; "
        f"R = {metrics.R:.4f} (a flat object has {metrics.R_flat:.4f})"
    )
    return conclude(arguments, (sentence, *metrics.choices), metrics.verdict, result.folder / "report.html")


def _scan(arguments: argparse.Namespace) -> Path:
    """The scan, which has one name or the other. Raises DataError."""
    given = {one for one in (arguments.scan, arguments.test_data) if one is not None}
    if len(given) != 1:
        raise DataError("SCAN", "is given twice" if given else "is missing", "name one scan")
    return Path(given.pop())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return common.run(parser(), argv)


if __name__ == "__main__":
    sys.exit(main())
