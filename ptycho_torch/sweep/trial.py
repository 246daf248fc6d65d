"""The process of one trial: train, reconstruct if there is a scan for it, write the result last.

It ends when its standard input does, which the sweep holds open.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from ptycho_config import ConfigError, Problem, Sources, parse
from ptycho_config.profiles import named_profile
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import reconstruct
from ptycho_torch.api.training import open_training, run_training
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.evaluation.several import compare_several
from ptycho_torch.files import write_json
from ptycho_torch.output.run_records import TrialRecord, from_json, to_json
from ptycho_torch.sweep.plan import Trial, trial_key
from ptycho_torch.sweep.ready import SWEEP
from ptycho_torch.sweep.run import RESULT
from ptycho_torch.training.checkpoints import LAST

# R is of the network of the trial, with the scan as it is.
OF_NETWORK: dict[str, object] = {"torch.refine.unknown": (), "torch.refine.passes": 0}


def main(order_file: str) -> int:
    """Run the trial that `order_file`, a path, holds; `trial.json` in its folder marks the end. Returns 0."""
    trial = from_json(Trial, json.loads(Path(order_file).read_text(encoding="utf-8")), order_file)
    base, folder = trial.base, trial.folder
    sources, profile = base.sources(parse(TrainingSetup, list(trial.point), SWEEP)), named_profile(base.profile)
    configs, delta, opened = open_training(None, folder, profile=profile, sources=sources)
    with opened.closing():
        if trial_key(configs.config, base) != trial.key:
            message = "gives other options than when the sweep was planned"
            raise ConfigError([Problem(str(base.config), message, hint="start the sweep again")], SWEEP)
        made = run_training(configs, delta, opened, resume=(folder / LAST).is_file())
    record, r_factor, quality = made.record, None, {}
    if base.test_data is not None:
        sources = Sources(overrides=OF_NETWORK)
        solved = reconstruct(base.test_data, folder / "reconstruction", model=made.bundle, sources=sources)
        r_factor = solved.metrics.R
        quality = {} if base.truth is None else compare_with_truth(solved.folder, base.truth)
    assert record.kept_epoch is not None
    assert record.seconds is not None
    assert record.parameters is not None
    losses = record.history.val_loss or record.history.train_loss
    seconds, parameters = record.seconds.training, record.parameters
    result = TrialRecord(
        loss=losses[record.kept_epoch],
        epochs=len(losses),
        train_s=seconds,
        parameters=parameters,
        R=r_factor,
        **quality,
    )
    write_json(folder / RESULT, {"key": trial.key, "values": to_json(trial)["values"], "result": to_json(result)})
    return 0


def _end_with_input() -> None:
    # Not `sys.stdin`, whose lock the interpreter takes at its end.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def compare_with_truth(folder: Path, truth: Path) -> dict[str, float]:
    """Contrast, detail and phase_mae of the reconstruction in a folder, where it was illuminated; truth: a file with
    the object. Raises DataError."""
    (made,) = compare_several([read_object(folder / "reconstruction.npz")], read_object(truth))
    return {"contrast": made.contrast, "detail": made.detail, "phase_mae": made.phase.mae}


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    sys.exit(main(sys.argv[1]))
