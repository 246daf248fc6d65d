"""Processor seconds of `ptycho infer` on the shipped Siemens star, by part, beside those of `import torch`.

    python benchmarks/star.py [--repeats 3]

Commands are processes of their own, report and pictures included, and the least of some runs counts, user and system
time: on a machine with nothing else to do and one thread it is the wall time. The parts are from one profiled run in
this process, so that they add up to somewhat more. The last line is JSON.
"""

import argparse
import cProfile
import json
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ptycho_torch import reconstruct

STAR = Path(__file__).parent.parent / "tests" / "data" / "siemens_star_64.npz"
IMPORTS = {
    "import torch": "import torch",
    "all imports of an inference": "import ptycho_torch.cli.main, ptycho_torch.api.inference",
    "the same without garbage collection, as the command does": (
        "import ptycho_torch.cli.main as m; from ptycho_torch.cli.common import quick_imports\n"
        "with quick_imports(): import ptycho_torch.api.inference"
    ),
}
COMMANDS = {
    "network alone, nothing estimated, `--refine-passes 0`": (
        "--refine-passes",
        "0",
        "--set",
        "torch.refine.unknown=[]",
    ),
    "network and refinement, nothing estimated": ("--set", "torch.refine.unknown=[]"),
    "as it comes": (),
}
# The functions of an inference, in their order: file, name, and how people call it.
PARTS = (
    ("loading.py", "load", "load the network"),
    ("dataset.py", "read_dataset", "read the scan"),
    ("scan.py", "judge_scan", "judge the scan"),
    ("pipeline.py", "prepare_reconstruction", "find what is not known: background, modes, positions"),
    ("pipeline.py", "_stitch", "network and stitching"),
    ("pipeline.py", "_refine", "refinement"),
    ("fit.py", "measure_fit", "misfit of the object"),
    ("fit.py", "judge_fit", "judge the fit"),
    ("run_reports.py", "reconstruction_report", "figures of the report"),
    ("inference.py", "_write", "product, pictures, records"),
    ("report.py", "write_report", "report as HTML"),
)


def least(command: list[str], repeats: int) -> float:
    """Processor seconds of the cheapest of some runs of a command."""
    seconds = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return round(min(seconds), 2)


def parts(folder: Path) -> dict[str, float]:
    """Processor seconds of the functions of an inference, with those that they call."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(reconstruct, STAR, folder, enable_progress_bar=False)
    # The file, the line, and the name of a function; and its calls, its own and all its seconds.
    found = {(Path(file).name, name): row[3] for (file, _, name), row in pstats.Stats(profile).stats.items()}
    return {title: round(found[file, name], 2) for file, name, title in PARTS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    rows = [{"what": name, "s": least([sys.executable, "-c", code], repeats)} for name, code in IMPORTS.items()]
    with tempfile.TemporaryDirectory() as name:
        command = [
            sys.executable,
            "-m",
            "ptycho_torch.cli.main",
            "infer",
            str(STAR),
            "--output-dir",
            name,
            "--overwrite",
        ]
        for title, flags in COMMANDS.items():
            rows.append({"what": title, "s": least([*command, "--quiet", *flags], repeats)})
        rows += [{"what": f"of it: {title}", "s": seconds} for title, seconds in parts(Path(name) / "profiled").items()]
    for row in rows:
        print(f"{row['s']:6.2f} s  {row['s'] / rows[0]['s']:5.1f}  {row['what']}")
    print(json.dumps([{**row, "of_import_torch": round(row["s"] / rows[0]["s"], 2)} for row in rows]))


if __name__ == "__main__":
    main()
