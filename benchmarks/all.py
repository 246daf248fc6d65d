"""Run the benchmarks one after the other and write `benchmarks/results.md`.

    python benchmarks/all.py

A quarter of an hour on two cores. Each script is a process of its own; its last line, JSON, becomes a
table. Quality at full length (`quality.py`, `simulated_pair.py`) takes longer and is run by hand.
"""

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
    ("inference.py", ("--repeats", "3")),
    ("time_to_quality.py", ("--cases", "primed-2", "primed-4", "primed-8", "--limit", "90")),
    ("time_to_quality.py", ("--cases", "cnn", "--limit", "60")),
    ("memory.py", ("1000",)),
    ("memory.py", ("50000",)),
)


def table(rows: Any) -> str:
    """Markdown of a record or of several with the same keys."""
    records = rows if isinstance(rows, list) else [rows]
    records = [record for record in records if isinstance(record, dict)]
    if not records:
        return f"`{json.dumps(rows)}`\n"
    names = list(dict.fromkeys(name for record in records for name in record))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(record.get(name, "")) for name in names) + " |" for record in records]
    return "\n".join(lines) + "\n"


def main() -> None:
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
