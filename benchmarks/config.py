"""What the algebra costs as users write it, beside what else they could use, in one run.

    pip install -e .[benchmark]     # the other libraries
    python benchmarks/config.py

Ten overrides in seven groups of the training setup, written out, so that making the change counts; JSON of
the whole setup; files; imports. The others hold the same tree: plain attrs classes with a strict cattrs
converter and orjson, chz, OmegaConf, hydra, pydantic. Prints a table of processor times (best of
seven; imports: median in new processes), what misses its bar, and one JSON line.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import attrs
import config_peers as peers
import yaml
from config_peers import ASSIGNMENTS, BASE, CHANGES, PARTIAL, Rows, microseconds

from ptycho_config import Transform, at, diff, dump, fields, fingerprint, layer, load, parse, resolve
from ptycho_config.schema import TrainingSetup
from ptycho_config.schema.paths import leaves

# Microseconds; of the import milliseconds, on top of attrs, cattrs and yaml.
BARS = {
    "ours: ten overrides, written out": 100.0,
    "ours: resolve of ten overrides": 100.0,
    "ours: full YAML file as a layer": 3000.0,
    "ours: full JSON file as a layer": 3000.0,
    "import ptycho_config": 20.0,
}
# Imports one after the other in one process, each timed on top of those before it.
IMPORTS = (
    ("attrs, cattrs, yaml", "ptycho_config", "ptycho_config.schema.setup", "ptycho_config.factory"),
    *((name,) for name in ("pydantic", "chz", "omegaconf", "hydra") if find_spec(name)),
)
TIMED = "import time; start = time.process_time(); import {}; print(time.process_time() - start)"
PEERS = {
    "orjson": peers.attrs_and_cattrs,
    "pydantic": peers.pydantic_rows,
    "chz": peers.chz_rows,
    "omegaconf": peers.omegaconf_rows,
    "hydra": peers.hydra_rows,
}
c = fields(TrainingSetup)


def written() -> Transform:
    """The ten overrides as a user writes them."""
    return (
        at(c.training.nepochs).put(3)
        >> at(c.training.batch_size).put(8)
        >> at(c.training.scheduler).put("Exponential")
        >> at(c.training.optimizer).put("sgd")
        >> at(c.training.model.N).put(128)
        >> at(c.training.model.gridsize).put(2)
        >> at(c.execution.learning_rate).put(1e-2)
        >> at(c.execution.num_workers).put(2)
        >> at(c.torch.data.validation_fraction).put(0.1)
        >> at(c.torch.stitch.illumination_floor).put(1e-2)
    )


def ours(folder: Path) -> Rows:
    """The algebra."""
    ready, text, part = written(), json.dumps(dump(BASE)), peers.grouped(PARTIAL)
    named = layer("bench", ready)
    files = {"full.json": dump(BASE), "full.yaml": dump(BASE), "partial.json": part, "partial.yaml": part}
    for name, data in files.items():
        (folder / name).write_text(json.dumps(data, indent=1) if name.endswith("json") else yaml.safe_dump(data))
    changed = ready(BASE)
    return {
        "ours: ten overrides, written out": microseconds(lambda: written()(BASE)),
        "ours: ten overrides, made before": microseconds(lambda: ready(BASE)),
        "ours: resolve of ten overrides": microseconds(lambda: resolve(BASE, named)),
        "ours: resolve, written out": microseconds(lambda: resolve(BASE, layer("bench", written()))),
        "ours: ten assignments as text, resolved": microseconds(
            lambda: resolve(BASE, parse(TrainingSetup, ASSIGNMENTS))
        ),
        "ours: load of JSON": microseconds(lambda: load(TrainingSetup, json.loads(text))),
        "ours: dump to JSON": microseconds(lambda: json.dumps(dump(BASE))),
        "ours: full JSON file as a layer": microseconds(lambda: parse(TrainingSetup, folder / "full.json")),
        "ours: full YAML file as a layer": microseconds(lambda: parse(TrainingSetup, folder / "full.yaml")),
        "ours: partial JSON file, resolved": microseconds(
            lambda: resolve(BASE, parse(TrainingSetup, folder / "partial.json"))
        ),
        "ours: partial YAML file, resolved": microseconds(
            lambda: resolve(BASE, parse(TrainingSetup, folder / "partial.yaml"))
        ),
        "ours: diff": microseconds(lambda: diff(BASE, changed)),
        "ours: fingerprint": microseconds(lambda: fingerprint(BASE)),
    }


def import_milliseconds(repeats: int) -> Rows:
    """Median processor time of each import on top of those before it, in new processes, in turns; all is compiled."""
    times: dict[str, list[float]] = {f"import {name}": [] for names in IMPORTS for name in names}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
        for turn in range(repeats + 1):
            for names in IMPORTS:
                command = [sys.executable, "-c", "\n".join(TIMED.format(name) for name in names)]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)  # noqa: S603
                for name, seconds in zip(names, done.stdout.split(), strict=True):
                    times[f"import {name}"] += [float(seconds) * 1e3] if turn else []
    return {name: statistics.median(one) for name, one in times.items()}


def missed(rows: Rows) -> list[str]:
    """The bars that the rows miss."""
    return [f"{name}: {rows[name]:.0f}, at most {bar:.0f}" for name, bar in BARS.items() if rows[name] > bar]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imports", type=int, default=15, help="processes for each import [default: %(default)s]")
    arguments = parser.parse_args()
    assert written()(BASE) == peers.evolved(BASE, attrs.evolve)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ours(folder)
        for library, measured in PEERS.items():
            rows |= measured(folder) if find_spec(library) else {}
    rows |= import_milliseconds(arguments.imports)
    print(f"{sum(1 for _ in leaves(TrainingSetup))} options, {len(CHANGES)} overrides")
    for name, value in rows.items():
        print(f"{name:44} {value:10.1f} {'ms' if name.startswith('import') else 'us'}")
    print("\n".join(missed(rows) or ["every bar is met"]))
    units = {name: "ms" if name.startswith("import") else "us" for name in rows}
    print(json.dumps([{"what": name, "time": round(rows[name], 1), "unit": units[name]} for name in rows]))


if __name__ == "__main__":
    main()
