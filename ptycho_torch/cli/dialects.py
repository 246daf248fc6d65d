"""Flags under PtychoPINN's names: every option under each of its names, with and without `--torch-`."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import attrs

from ptycho_config.schema.paths import leaves
from ptycho_config.vocabulary import aliases
from ptycho_config.vocabulary.aliases import vocabulary
from ptycho_torch.cli.options import Flag, add_flag
from ptycho_torch.cli.parser import Parser

EPILOG = "Option names of PtychoPINN are flags too, with underscores or dashes."
_PICTURES = "run ptycho evaluate RECONSTRUCTION TRUTH --output_dir DIR, which writes comparison.png"
_LIMITS = "pictures choose their range; draw reconstruction.npz from the output folder with your own"
ANSWERS: Mapping[str, str] = {
    "--comparison-plot": _PICTURES,
    "--do-stitching": "ptycho infer SCAN --model_path OUTPUT_DIR always stitches; a training writes the network alone",
    "--run-id": "name the folder of the run with --output_dir, or the run in a logger with "
    "--set torch.record.experiment_name=NAME",
    "--phase-vmin": _LIMITS,
    "--phase-vmax": _LIMITS,
    "--debug-image": "the report of a reconstruction holds all pictures: report.html in the output folder",
    "--force": "use --overwrite",
    "--log-level": "use --quiet or --debug",
    "--stitch-crop-size": "patches are weighted by their illumination and need no crop; see --set "
    "execution.middle_trim=PIXELS",
}


def add_dialects(parser: Parser, cls: type, flags: Sequence[Flag]) -> None:
    """Add to a parser the other names of the native `flags` and of all options of the class `cls`, without help."""
    known = dict(leaves(cls))
    taken = parser._option_string_actions  # noqa: SLF001 - argparse has no other way to ask
    truths = set()
    for name, flag in _other_names(cls, flags):
        dashed = name.replace("_", "-")
        prefixed = dashed if dashed.startswith("torch-") else f"torch-{dashed}"
        path = flag.path if flag.path in known else aliases(cls)[flag.path].paths[0]
        for spelling in {f"--{dashed}", f"--{prefixed}"} - taken.keys():
            add_flag(parser, attrs.evolve(flag, names=(spelling,)), known[path], argparse.SUPPRESS)
            if known[path].type_name.startswith("bool"):
                truths.add(spelling)
    parser.truths |= truths
    parser.answer = partial(_answer, cls)


def _answer(cls: type, flag: str) -> str:
    """The reason why there is no such flag for a setup class `cls`, and what to write instead; empty where unknown."""
    name = flag.removeprefix("--torch-").removeprefix("--").replace("-", "_")
    alias = aliases(cls).get(name)
    return ANSWERS.get(flag) or (alias.gone if alias else "") or vocabulary(cls).elsewhere(name)


def _other_names(cls: type, flags: Sequence[Flag]) -> Iterator[tuple[str, Flag]]:
    """Each name without dashes in front, with what it sets; the native names first."""
    for flag in flags:
        # The native negation of a switch has no value that a user could give.
        if flag.text in (None, "true"):
            yield from ((native[2:], attrs.evolve(flag, text=None)) for native in flag.names)
    words = {flag.path.rpartition(".")[2]: flag.words for flag in flags if flag.words and not flag.deprecated}
    required = {path for path, spec in leaves(cls) if spec.required}
    for name, alias in aliases(cls).items():
        if alias.paths and "." not in name and not required & set(alias.paths):
            yield name, Flag((), name, words=words.get(name, {}))
