"""`ptycho evaluate A B`: compare a reconstruction with a reference."""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Two objects, and where to write the comparison."""
    parser.add_argument("image", type=Path, help="reconstruction: product.h5, reconstruction.npz or .npy")
    parser.add_argument(
        "reference", type=Path, help="what it should be: one of these, or a scan with objectGuess"
    )
    parser.add_argument(
        "--output_dir", type=Path, help="folder for comparison.png and evaluation.json; written only if given"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(work=work)


def work(arguments: argparse.Namespace) -> None:
    """Read, compare, print, and write where that is asked for."""
    from ptycho_torch.comparison import compare, read_object
    from ptycho_torch.comparison.draw import draw_comparison, table
    from ptycho_torch.errors import DataError
    from ptycho_torch.files import writable_folder, write_json

    image, reference = read_object(arguments.image), read_object(arguments.reference)
    try:
        made = compare(image.object, reference.object, image.origin_yx, reference.origin_yx)
    except ValueError as error:
        raise DataError(f"{image.name} and {reference.name}", str(error)) from None
    print(json.dumps(made.figures, indent=2) if arguments.json else table(made))
    if arguments.output_dir is not None:
        folder = writable_folder(arguments.output_dir)
        write_json(folder / "evaluation.json", made.figures)
        draw_comparison(folder / "comparison.png", made, (image.name, reference.name))
        if not arguments.json:
            print(f"open {folder / 'comparison.png'}")
