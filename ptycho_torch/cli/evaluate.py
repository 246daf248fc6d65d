"""`ptycho evaluate A B`: compare a reconstruction with a reference."""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two objects, the output folder and the format."""
    parser.add_argument(
        "reconstruction", type=Path, metavar="A", help="what is judged: product.h5, reconstruction.npz or .npy"
    )
    parser.add_argument(
        "reference", type=Path, metavar="B", help="what it should be: one of these, or a scan with objectGuess"
    )
    parser.add_argument(
        "--output_dir", type=Path, metavar="DIR", help="write comparison.png and evaluation.json into this folder"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Read, compare, print, and write into the output folder if there is one. Raises DataError."""
    from ptycho_torch.evaluation import compare, draw_comparison, read_object, table
    from ptycho_torch.files import create_writable_folder, write_json

    made = compare(read_object(arguments.reconstruction), read_object(arguments.reference))
    print(json.dumps(made.figures(), indent=2, allow_nan=False) if arguments.json else table(made))
    if arguments.output_dir is None:
        return
    folder = create_writable_folder(arguments.output_dir)
    write_json(folder / "evaluation.json", made.figures())
    draw_comparison(folder, made)
    if not arguments.json:
        print(f"open {folder / 'comparison.png'}")
