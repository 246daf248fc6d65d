"""Seconds of training until an unseen object is reconstructed well enough.

    python benchmarks/time_to_quality.py [--seeds 0 1 2] [--limit 240] [--first 4] [--cases cnn ...]

Trains on one object of the simulated pair (1,764 patterns of 64x64) and looks at the other one after
`--first` seconds and each time a third later; looking does not count. With one thread, seconds are of
processor time, so that other work on the machine does not count either. A case is a network, for the
unrolled ones with its number of stages. Stops when the last goal or the limit is reached. Prints, for
every seed, the seconds until contrast and detail have reached each goal (0 before any step: what the
physics alone gives), what was reached at the end, and the seconds of inference.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from pair import dataset_from_raw, score, write_training_run

from ptycho_config import Sources, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import resolve_training
from ptycho_torch.data.scan import normalise, with_initial_object
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.physics.simulate import SimulatedScan
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.training.datasets import training_data
from ptycho_torch.training.fit import untrained_model
from ptycho_torch.training.trainer import prepare, run

GOALS = ((0.6, 0.6), (0.75, 0.8), (0.85, 0.9), (0.92, 0.95))
CASES = ("unrolled-1", "unrolled-2", "unrolled-4", "unrolled-8", "cnn", "fno", "fno_vanilla", "ffno")
LATER = 4 / 3


class Watch(Callback):
    """Looks at the unseen object now and then; stops when the goals or the limit are reached."""

    def __init__(
        self, model: Reconstructor, unseen: SimulatedScan, setup: TrainingSetup, first: float, limit: float
    ) -> None:
        self.model, self.unseen, self.limit = model, unseen, limit
        self.clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
        self.scan = with_initial_object(normalise(dataset_from_raw(unseen)), setup.torch)
        self.stitch = setup.torch.stitch
        self.trained = self.inference = 0.0
        self.next = first
        self.reached: dict[tuple[float, float], float] = {}
        self.last = (0.0, 0.0)

    def look(self) -> None:
        """Score the network as it is."""
        begun = self.clock()
        canvas = reconstruct_scan(
            self.model,
            self.scan,
            torch.arange(len(self.scan.centre_yx))[:, None],
            batch_size=64,
            stitch=self.stitch,
            trim=0,
            device=torch.device("cpu"),
            progress=lambda _: None,
        )
        self.inference = self.clock() - begun
        self.last = score(canvas, self.unseen)
        for goal in GOALS:
            if self.last[0] >= goal[0] and self.last[1] >= goal[1]:
                self.reached.setdefault(goal, self.trained)
        self.model.train()

    def on_train_start(self, *_: Any) -> None:
        """The clock starts."""
        self.since = self.clock()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Count the seconds of training only."""
        self.trained += self.clock() - self.since
        if self.trained >= self.next:
            self.next = self.trained * LATER
            self.look()
        if self.trained >= self.limit or len(self.reached) == len(GOALS):
            trainer.should_stop = True
        self.since = self.clock()


def measured(case: str, seed: int, first: float, limit: float) -> dict[str, Any]:
    """One training, watched."""
    network, _, stages = case.partition("-")
    chosen = [f"architecture={network}", f"subsample_seed={seed}", "execution.enable_checkpointing=false"]
    chosen += ["execution.logger_backend=null"]
    chosen += [f"torch.net.stages={stages}"] if stages else []
    with tempfile.TemporaryDirectory() as name:
        known, _, unseen = write_training_run(Path(name), seed)
        sources = Sources(command_line=parse(TrainingSetup, chosen))
        profile = "unrolled" if network == "unrolled" else "patches"
        setup = resolve_training(known, name, profile=profile, sources=sources)[0].config
        data = training_data(setup, seed)
        model = untrained_model(setup, data, seed)
        watch = Watch(model, unseen, setup, first, limit)
        session = prepare(model, setup, data.training, None, seed=seed, folder=Path(name))
        session.trainer.callbacks.append(watch)
        watch.look()
        if len(watch.reached) < len(GOALS):
            run(session)
            watch.look()
    return {
        "case": case,
        "seed": seed,
        **{f"{goal[0]}/{goal[1]}": _seconds(watch.reached.get(goal)) for goal in GOALS},
        "contrast": round(watch.last[0], 3),
        "detail": round(watch.last[1], 3),
        "trained_s": round(watch.trained),
        "inference_s": round(watch.inference, 2),
    }


def _seconds(found: float | None) -> float | None:
    return None if found is None else round(found, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", default=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--first", type=float, default=4.0, help="seconds of training before a first look")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds of training")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    for case in asked.cases:
        for seed in asked.seeds:
            rows.append(measured(case, seed, asked.first, asked.limit))
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
