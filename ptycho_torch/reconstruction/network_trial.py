"""The test of a network on a part of a scan: whether the solver alone would explain the patterns better, and how many
passes are to follow the network."""

from collections.abc import Callable

import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions, TorchOptions
from ptycho_config.schema.refine import AUTO
from ptycho_torch.data.scan import with_coarse_object, with_initial_object
from ptycho_torch.nets.reconstructor import Reconstructor
from ptycho_torch.output.choice_records import NetworkRecord
from ptycho_torch.physics.canvas import canvas_of
from ptycho_torch.reconstruction.few_photons import held_back_unlikelihood
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.reconstruction.refine_dataset import follows_counts
from ptycho_torch.reconstruction.trial import NEARLY_ALL_EXPLAINED, PASSES, Trial
from ptycho_torch.records import Refined, Scan

# What of the misfit of the solver a network may have and is still kept.
KEPT = 1.25
# More passes leave less than this part of what fewer leave; passes that leave more than this of what none leave are not
# made. Where the model of the scan is wrong, all numbers move a little with everything, and below LITTLE with noise.
FALLS, RISES, LITTLE = 0.8, 1.1, 0.01
# A network gives way where the log-likelihood of held-back counts is higher by more than this after another start. Of
# models that are nearly alike a difference d varies by about `sqrt(2 d)`: these are three standard deviations.
CLEARLY_LIKELIER = 18.0
# Fewer patterns do not tell.
FEWEST = 50


def judge_network(
    model: Reconstructor, scan: Scan, groups: Tensor, options: TorchOptions, refine: RefineOptions, trial: Trial
) -> NetworkRecord | None:
    """The parts that network and solver leave unexplained at pixels of the trial that neither has seen.

    model: with the scan in its units; groups `(M, C)` of patterns of the scan; options: of the network; refine: the
    passes that follow the network, and what else they estimate; trial: patterns and pixels. None where too few groups
    of the network lie in the trial. A network that leaves next to nothing is kept, and the solver not tried.
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
        if refine.planned and follows_counts(refine, scan):
            return _judge_by_counts(drawn, part, refine, trial)
        tried, passes = try_passes(lambda number: trial.unexplained(scan, refine, drawn, number), refine)
        best, solver = min(tried.values()), {}
        if not best < NEARLY_ALL_EXPLAINED:
            solver = {
                "flat": trial.unexplained(scan, refine),
                "coarse": trial.unexplained(scan, refine, with_coarse_object(part).initial),
            }
    start = min(solver, key=solver.__getitem__, default="network")
    kept = not solver or best <= KEPT * solver[start]
    if not kept:
        passes = max(refine.planned, PASSES)
    left = {**{f"network, {number} passes": value for number, value in tried.items()}, **solver}
    rounded = {name: round(value, 4) for name, value in left.items()}
    return NetworkRecord(start="network" if kept else start, passes=passes, unexplained=rounded)


def _judge_by_counts(drawn: Tensor, part: Scan, refine: RefineOptions, trial: Trial) -> NetworkRecord:
    """The same at few photons, by the likelihood that the refinement will maximise: that of held-back counts after a
    few of its passes from each start, on the patterns of the trial; drawn: the object of the network."""
    y, x = canvas_of(part.centre_yx, part.probe.shape[-1])[0].long().tolist()
    coarse = with_coarse_object(part).initial
    assert coarse is not None
    starts = {"network": drawn, "flat": torch.full_like(coarse, float(coarse.abs().mean())), "coarse": coarse}
    unlikely = {
        name: held_back_unlikelihood(Refined(start, (y, x), part, ()), seed=trial.seed, device=trial.device)
        for name, start in starts.items()
    }
    best = min(unlikely, key=unlikely.__getitem__)
    start = best if unlikely["network"] - unlikely[best] > CLEARLY_LIKELIER else "network"
    rounded = {name: round(value - unlikely[best], 2) for name, value in unlikely.items()}
    return NetworkRecord(start=start, passes=refine.planned, unexplained={}, less_likely=rounded)


def try_passes(left: Callable[[int], float], refine: RefineOptions) -> tuple[dict[int, float], int]:
    """The parts that some numbers of passes after the network leave, as `left` finds them, and the number to make.

    refine: the options, whose number of passes counts where it is given.
    """
    if refine.passes != "auto" or refine.planned != AUTO:
        number = min(refine.planned, PASSES)
        return {number: left(number)}, refine.planned
    tried = {number: left(number) for number in (0, AUTO)}
    without, some = (max(value, LITTLE) for value in tried.values())
    if some > RISES * without:
        return tried, 0
    if some < FALLS * without:
        tried[2 * AUTO] = left(2 * AUTO)
        if max(tried[2 * AUTO], LITTLE) < FALLS * some:
            return tried, 2 * AUTO
    return tried, AUTO
