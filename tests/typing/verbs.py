"""Every verb of `ptycho_torch` as users call it, and the types of what comes out. Read by type checkers, never run."""

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import ptycho_torch
from ptycho_config import Resolved, Sources
from ptycho_config.schema import InferenceSetup, TrainingSetup
from ptycho_torch import compare, evaluate, inspect, load, read_scan, reconstruct, refine, report, simulate, train
from ptycho_torch.api import (
    Evaluation,
    Inspection,
    Reconstruction,
    Refinement,
    RunComparison,
    Trained,
    TrainingRun,
    rerun,
)
from ptycho_torch.records import Canvas, Dataset
from ptycho_torch.simulation.scan import Simulated
from ptycho_torch.verdict import Level, Verdict

assert_type(ptycho_torch.__version__, str)

made = simulate(object="polyhedra", side_px=96)
assert_type(made, Simulated)
scan = read_scan(Path("scan.npz"), measurement_domain="normalized_amplitude", mask="auto")
assert_type(scan, Dataset)
found = inspect({"diff3d": np.ones((9, 32, 32)), "xcoords": np.arange(9), "ycoords": np.arange(9)})
assert_type(found, Inspection)
assert_type(found.verdict, Verdict)
assert_type(found.verdict.level, Level)

run = train(made, "run", nepochs=1, profile=None, resume=False)
assert_type(run, TrainingRun)
assert_type(run.configs, Resolved[TrainingSetup])
assert_type(run.configs.config.training.nepochs, int)
assert_type(run.record.history.train_loss, tuple[float, ...])
model = load(run.bundle)
assert_type(model, Trained)

for one in (run, model, "run", Path("run"), None):
    result = reconstruct(scan, "result", model=one, passes=8, sources=Sources())
assert_type(result, Reconstruction)
assert_type(result.canvas, Canvas)
assert_type(result.canvas.object, NDArray[np.complex64])
assert_type(result.metrics.R, float)
assert_type(result.configs, Resolved[InferenceSetup])
assert_type(result.folder, Path)
assert_type(result._repr_html_(), str)

refined = refine("scan.npz", start="flat", passes=2, refine_probe=True)
assert_type(refined, Refinement)
assert_type(refined.metrics.R_by_pass, tuple[float, ...])

assert_type(evaluate(result, "truth.npz"), Evaluation)
assert_type(compare(run, result, "other"), RunComparison)
assert_type(report(refined, "report.html"), Path)
assert_type(rerun("run").differences, tuple[str, ...])

# Mistakes, which end with who reports them.
train(scan, "run", nepochs=1, resume="no")  # both: a word where a truth is expected
reconstruct(3)  # both: a number is no scan
reconstruct("scan.npz", model=result)  # both: a reconstruction is no network
refine("scan.npz", start=0)  # both: a number is no object
refine("scan.npz", measurement_domain="counts")  # both: no such domain
result.canvas.objects  # both: no such attribute
run.record.history.train_loss.append(1.0)  # both: results are values
result.folder = Path()  # both: results are frozen
ptycho_torch.infer("scan.npz")  # both: no such verb
