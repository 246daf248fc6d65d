"""`ptycho inspect`: print what a scan file, or each scan of a folder, holds."""

import argparse
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import attrs

from ptycho_torch.cli.common import add_reading_flags, add_strict_flag
from ptycho_torch.cli.messages import WRONG
from ptycho_torch.errors import DataError
from ptycho_torch.verdict import Verdict, judge

if TYPE_CHECKING:
    from ptycho_torch.data.raw import RawScan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ptycho inspect`."""
    parser.add_argument("file", type=Path, help="a scan file, or a folder of scans")
    parser.add_argument("--json", action="store_true", help="print only what configurations need, as JSON")
    parser.add_argument("--draw", type=Path, metavar="FILE", help="write a picture of the scan, PNG")
    add_reading_flags(parser)
    add_strict_flag(parser)
    parser.set_defaults(work=inspect)


class _Described(NamedTuple):
    """The text on a scan, empty where it cannot be read, its verdict, and why it cannot be used."""

    text: str
    verdict: Verdict = judge(())
    error: DataError | None = None


def inspect(arguments: argparse.Namespace) -> int:
    """Print every scan with its verdict, and of each that cannot be used why; returns the exit status. Then
    DataError, if there is one."""
    from ptycho_torch.data.readers import facts_of, inspect_dataset, scan_files

    if arguments.json:
        print(json.dumps(attrs.asdict(inspect_dataset(arguments.file, probe_needed=False)), indent=2))
        return 0
    files = scan_files(arguments.file)
    if arguments.draw is not None and len(files) > 1:
        raise DataError(str(arguments.file), f"holds {len(files)} scans, --draw shows one", "give one of them")
    scans: list[RawScan] = []
    unusable: dict[str, DataError] = {}
    wrong = False
    for file in files:
        text, verdict, error = _describe(file, arguments, scans)
        wrong |= verdict.level == "wrong"
        if error is not None:
            unusable[file.name] = error
        if len(files) > 1:
            print(text or file.name)
            if error is not None:
                print(f"  {'unusable':<11}{str(error).removeprefix(f'{file}: ')}")
        elif text:
            print(text)
    if not unusable:
        facts_of(arguments.file, scans, probe_needed=False)
    elif len(files) == 1:
        raise next(iter(unusable.values()))
    else:
        message = f"{len(unusable)} of {len(files)} scans cannot be used: {', '.join(unusable)}"
        raise DataError(str(arguments.file), message)
    return WRONG if arguments.strict and wrong else 0


def _describe(file: Path, arguments: argparse.Namespace, scans: "list[RawScan]") -> _Described:
    """A description of the file, with the verdict; adds the opened scan to the list."""
    from ptycho_torch.data.readers import open_scan
    from ptycho_torch.data.summary import describe

    text = ""
    try:
        with open_scan(file) as scan:
            scans.append(scan)
            text = describe(scan)
            notes, verdict = _judge(scan, arguments)
    except DataError as error:
        return _Described(text, error=error)
    lines = [("note", note) for note in notes if note not in text]
    lines += [("verdict", verdict.level), *(("", sentence) for sentence in verdict.sentences)]
    return _Described("\n".join([text, *(f"  {name:<11}{line}" for name, line in lines)]), verdict)


def _judge(scan: "RawScan", arguments: argparse.Namespace) -> tuple[list[str], Verdict]:
    """Read the patterns as a reconstruction would: the remarks on them, and the verdict. Raises DataError."""
    from ptycho_torch.data.dataset import read_dataset
    from ptycho_torch.judgement.scan import judge_scan

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        # A reconstruction can retrieve a probe that is not there.
        dataset = read_dataset(scan, arguments.measurement_domain, mask=arguments.mask, probe_needed=False)
    verdict = judge(judge_scan(dataset).evidence)
    if arguments.draw is not None:
        from ptycho_torch.output.scan_figure import draw_scan

        draw_scan(arguments.draw, dataset, f"{dataset.name}: {verdict.level}")
    return [str(one.message).removeprefix(f"{scan.path.name}: ") for one in caught], verdict
