"""Sentences of the commands on the terminal: warnings, and what came out."""

import argparse
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path

from ptycho_torch.verdict import Verdict

# The exit status of a command that is strict, where the verdict is wrong.
WRONG = 3


def print_warning(text: str) -> None:
    """Warn on standard error."""
    print(f"warning: {text}", file=sys.stderr)


def conclude(arguments: argparse.Namespace, sentences: Iterable[str], verdict: Verdict, report: Path) -> int:
    """Print the sentences on a result, its verdict and where its report is, and open the report where the arguments
    have `--report`.

    Where they have `--quiet`, the path of the report is all, and what the verdict warns of. Returns the exit status,
    which is 3 for a wrong scan or result where the command is strict.
    """
    if not arguments.quiet:
        print(*sentences, f"verdict: {verdict.level}", sep="\n")
    for sentence in verdict.sentences:
        print_warning(sentence)
    print(report if arguments.quiet else f"open {report}")
    if arguments.report:
        webbrowser.open(report.resolve().as_uri())
    return WRONG if arguments.strict and verdict.level == "wrong" else 0
