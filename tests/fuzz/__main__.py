"""`python -m tests.fuzz [COUNT [READER ...]]`: damaged files for every reader; exit status 1 where one fails."""

import sys
import time

from tests.fuzz.artefacts import READ_ARTEFACT
from tests.fuzz.files import READERS
from tests.fuzz.run import fuzz

COUNT = 20_000


def main() -> int:
    """Feed all readers, and print every failure and a line for each reader."""
    count, readers = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT, sys.argv[2:] or [*READERS, *READ_ARTEFACT]
    failed = 0
    for reader in readers:
        start, failures = time.perf_counter(), list(fuzz(reader, count))
        failed += len(failures)
        for one in failures:
            print(f"  {one.reader} {one.seed}: {one.what}")
        print(f"{reader}: {count} inputs, {len(failures)} failures, {time.perf_counter() - start:.0f} s", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
