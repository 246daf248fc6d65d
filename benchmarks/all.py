"""Run the benchmarks one after the other and write `benchmarks/results.md`.

    python benchmarks/all.py

A quarter of an hour on two cores. Each script is a process of its own; its last line, JSON, becomes a
table. What takes longer (`quality.py`, `simulated_pair.py`, every network to its end) or needs another
environment (`peers.py`) is run by hand.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
RUNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("config.py", ()),
    ("grouping.py", ()),
    ("limit.py", ()),
    ("refine.py", ("--passes", "1", "2", "3", "4", "8")),
    ("inference.py", ("--repeats", "3", "--passes", "0", "3")),
    ("transfer.py", ("--members", "6", "--untrained", "6")),
    ("time_to_quality.py", ("--cases", "unrolled-1", "unrolled-2", "unrolled-4", "unrolled-8", "--limit", "60")),
    ("time_to_quality.py", ("--cases", "cnn", "fno", "--first", "30", "--limit", "30")),
    ("memory.py", ("1000", "50000")),
)


def table(rows: Any) -> str:
    """Markdown of a record or of several with the same keys; lists of records in a record follow it."""
    records = [record for record in (rows if isinstance(rows, list) else [rows]) if isinstance(record, dict)]
    if not records:
        return f"`{json.dumps(rows)}`\n"
    nested = [value for record in records for value in record.values() if _is_records(value)]
    names = [
        name
        for name in dict.fromkeys(name for record in records for name in record)
        if not any(_is_records(record.get(name)) for record in records)
    ]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(record.get(name)) for name in names) + " |" for record in records]
    return "\n\n".join(["\n".join(lines), *(table(value).rstrip() for value in nested)]) + "\n"


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(one)}" for name, one in value.items())
    return str(value)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    threads = torch.get_num_threads()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {threads} threads"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, no GPU used"
    note = "Written by `benchmarks/all.py`; times are of one run on a machine that may be shared."
    parts = ["# Results of `make bench`\n", f"{machine}, {versions}. {note}\n"]
    for script, options in RUNS:
        print(f"running {script} {' '.join(options)}", file=sys.stderr, flush=True)
        start = time.perf_counter()
        done = subprocess.run(  # noqa: S603
            [sys.executable, str(HERE / script), *options], capture_output=True, text=True, check=False
        )
        parts.append(f"## {script} {' '.join(options)}\n")
        if done.returncode:
            parts.append(f"failed: {done.stderr.strip().splitlines()[-1]}\n")
        else:
            parts.append(table(json.loads(done.stdout.strip().splitlines()[-1])))
        parts.append(f"{time.perf_counter() - start:.0f} s\n")
    (HERE / "results.md").write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {HERE / 'results.md'}")


if __name__ == "__main__":
    main()
