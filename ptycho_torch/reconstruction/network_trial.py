"""The test of a network on a part of a scan: whether the solver alone would explain the patterns better."""

import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions, TorchOptions
from ptycho_torch.data.scan import with_coarse_object, with_initial_object
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.output.choice_records import NetworkRecord
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.reconstruction.trial import OPTIONS, Trial
from ptycho_torch.records import Scan

# The passes of the solver, and what of its misfit a network may have and is still kept.
SOLVER_PASSES = OPTIONS.passes
KEPT = 1.25
# Fewer patterns do not tell.
FEWEST = 50


def judge_network(
    model: Reconstructor, scan: Scan, groups: Tensor, options: TorchOptions, refine: RefineOptions, trial: Trial
) -> NetworkRecord | None:
    """The parts that network and solver leave unexplained at pixels of the trial that neither has seen.

    model: with the scan in its units; groups `(M, C)` of patterns of the scan; options: of the network; refine: the
    passes that follow the network, and what else they estimate; trial: patterns and pixels. None where too few groups
    of the network lie in the trial.
    """
    chosen = groups[torch.isin(groups, trial.rows).all(1)]
    rows = chosen.unique()
    if len(rows) < FEWEST:
        return None
    trial = trial.narrowed(rows)
    part, inside = with_initial_object(trial.part(scan), options), torch.searchsorted(rows, chosen)
    canvas = reconstruct_scan(
        model,
        part,
        inside,
        batch_size=len(inside),
        stitch=options.stitch,
        trim=0,
        device=trial.device,
        progress=lambda _: None,
    )
    with torch.inference_mode():
        drawn = torch.from_numpy(canvas.object) / scan.object_scale
        network = trial.unexplained(scan, refine, drawn, min(refine.passes, SOLVER_PASSES))
        solver = {
            "flat": trial.unexplained(scan, refine),
            "coarse": trial.unexplained(scan, refine, with_coarse_object(part).initial),
        }
    start = min(solver, key=solver.__getitem__)
    left = {name: round(value, 4) for name, value in {"network": network, **solver}.items()}
    return NetworkRecord(start="network" if network <= KEPT * solver[start] else start, unexplained=left)
