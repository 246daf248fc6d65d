"""`ptycho evaluate A [B ...] TRUTH`: compare reconstructions with a reference."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import attrs

from ptycho_torch.cli.common import run
from ptycho_torch.cli.dialects import ANSWERS
from ptycho_torch.cli.output_folder import EVALUATED, refuse_results
from ptycho_torch.cli.parser import Parser


def add_arguments(parser: Parser) -> None:
    """Add the objects, the output folder and the format."""
    parser.add_argument(
        "objects", nargs="+", type=Path, metavar="A", help="what is judged: product.h5, reconstruction.npz or .npy"
    )
    parser.add_argument(
        "reference", type=Path, metavar="TRUTH", help="what it should be: one of these, or a scan with objectGuess"
    )
    parser.add_argument(
        "--output-dir", type=Path, metavar="DIR", help="write comparison.png and evaluation.json into this folder"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the comparison that is in the folder")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(work=work)
    parser.answer = _answer


def _answer(flag: str) -> str:
    objects = "objects are compared, not models: reconstruct with ptycho_inference first, and give its output folder"
    name = flag.removeprefix("--").replace("-", "_")
    return objects if name in {"model_path", "model_dir", "test_data", "test_data_file"} else ANSWERS.get(flag, "")


def parser() -> argparse.ArgumentParser:
    """The arguments of `ptycho_evaluate`."""
    made = Parser(prog="ptycho_evaluate", description=__doc__)
    made.set_defaults(debug=False)
    add_arguments(made)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return run(parser(), argv)


def work(arguments: argparse.Namespace) -> None:
    """Read, compare, print, and write into the output folder if there is one. Raises DataError."""
    from ptycho_torch.evaluation.draw import draw_comparison, draw_several, table
    from ptycho_torch.evaluation.read import read_object
    from ptycho_torch.evaluation.several import compare_several, table_of_several
    from ptycho_torch.files import write_json
    from ptycho_torch.run_folder import claim_folder, write_results

    if arguments.output_dir is not None and not arguments.overwrite:
        refuse_results(arguments.output_dir, EVALUATED)
    objects = [read_object(path) for path in arguments.objects]
    if len({one.name for one in objects}) < len(objects):
        paths = zip(objects, arguments.objects, strict=True)
        objects = [attrs.evolve(one, name=f"{path.absolute().parent.name}/{one.name}") for one, path in paths]
    every = compare_several(objects, read_object(arguments.reference))
    figures: object = [made.figures() for made in every] if len(every) > 1 else every[0].figures()
    shown = table_of_several(every) if len(every) > 1 else table(every[0])
    print(json.dumps(figures, indent=2, allow_nan=False) if arguments.json else shown)
    if arguments.output_dir is None:
        return
    with claim_folder(arguments.output_dir) as folder, write_results(folder) as stage:
        write_json(stage / "evaluation.json", figures)
        if len(every) > 1:
            draw_several(stage, every)
        else:
            draw_comparison(stage, every[0])
    if not arguments.json:
        print(f"open {arguments.output_dir / 'comparison.png'}")
