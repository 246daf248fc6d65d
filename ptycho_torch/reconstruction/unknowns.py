"""The first stage of a reconstruction: what the file lacks or has wrong.

What lowers the misfit of held-back pixels clearly is estimated: the one that lowers it most first, then, with that,
the next. A probe that is still wrong hides all others, so they are chosen again after another one was found.
"""

import math
from collections.abc import Collection

import attrs
import torch

from ptycho_config.lens import at, fields
from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import Unknown
from ptycho_torch.data.scan import normalise
from ptycho_torch.output.choice_records import ProbeRecord, UnknownsRecord
from ptycho_torch.reconstruction.probe_search import FoundProbe, ProbeSearch
from ptycho_torch.reconstruction.trial import NEARLY_ALL_EXPLAINED, Trial
from ptycho_torch.reconstruction.unknown_trials import UnknownTrials
from ptycho_torch.records import Dataset

_OPTIONS = fields(RefineOptions)
# What is found is right in its outline; its details come with the object in at least so many passes.
PASSES: dict[Unknown, int] = {"probe": 12, "background": 12, "flux": 16, "modes": 16, "positions": 40}
# With these alone passes may end early, once they gain next to nothing: the others creep.
SETTLING: frozenset[Unknown] = frozenset({"probe", "modes"})
FEWEST_PASSES = 8
# Large errors of positions that are smooth in time take longer: so many passes while they still gain.
MOST_POSITION_PASSES = 120
# What is estimated together takes longer.
MORE_PASSES = 8
# What is estimated leaves at most so much of the misfit, apart from noise; where much is unexplained, all that remains
# together leaves at most so much.
LOWERED, LOWERED_TOGETHER = 0.75, 0.85
# A probe that leaves less unexplained is not compared with others; where less is left, no single trial is made if all
# together gain nothing.
EXPLAINED, WELL_EXPLAINED = 0.25, 0.1
# A found probe explains at least a quarter of the differences between the patterns, with what else is estimated.
MOST_UNEXPLAINED = 0.75
# Phases at the rms frequency by which a probe is tried out of focus.
DEFOCUS_RAD = (-1.0, 1.0, -2.0, 2.0, -4.0, 4.0)
TOGETHER: tuple[Unknown, ...] = ("background", "flux", "positions")


@attrs.frozen(eq=False)
class KnownDataset:
    """A dataset with the probe, flux and background to begin with; the refinement options that go with them, whose
    `unknown` names what is refined; the records of the choices and the trial that judged them, None where there was
    none to make; and the fewest passes that are needed, None where all are."""

    dataset: Dataset
    options: RefineOptions
    probe: ProbeRecord | None = None
    choice: UnknownsRecord | None = None
    trial: Trial | None = None
    fewest: int | None = None


def estimate_unknowns(
    dataset: Dataset, options: RefineOptions, *, seed: int, device: torch.device, fixed: Collection[Unknown] = ()
) -> KnownDataset:
    """The dataset with what `options.unknown` asks for, and options that refine it, in passes enough.

    seed: of held-back pixels and orders; device: computes; fixed: what is not chosen, whatever the patterns say.
    """
    if not options.unknown:
        return KnownDataset(dataset, options)
    with torch.inference_mode():
        estimation = _Estimation(dataset, options, seed, device)
        if options.unknown == "auto":
            # Under a probe that varies positions seem to be wrong, and they would take up a part of it.
            components: set[Unknown] = {"positions"} if options.probe_components else set()
            chosen = estimation.choose({*fixed, *components})
        else:
            chosen = options.unknown
            estimation.take(chosen)
    return estimation.found(chosen)


class _Estimation:
    """The state of the choice: trials on a dataset whose probe may be replaced."""

    def __init__(self, dataset: Dataset, options: RefineOptions, seed: int, device: torch.device) -> None:
        self.options, self.device = options, device
        self.trials = UnknownTrials(dataset, options, seed, device)
        self.probe: ProbeRecord | None = None

    def choose(self, fixed: set[Unknown]) -> tuple[Unknown, ...]:
        """The names of all that is not known by the patterns, apart from what is fixed."""
        chosen: tuple[Unknown, ...] = ()
        left = float("inf")
        if self.trials.dataset.probe_known:
            chosen, left = self._choose(fixed | {"modes"})
            # Under a probe that is wrong further modes explain what they should not.
            if left < EXPLAINED or "probe" in fixed or ("modes" not in fixed and self.trials.with_a_mode() < EXPLAINED):
                chosen, left = self._choose(fixed)
        out_of_focus = "probe" not in fixed and self._out_of_focus(chosen, left)
        if "probe" in fixed or (left < EXPLAINED and not out_of_focus):
            return chosen
        before = self.trials
        varies = "flux" not in fixed and self.trials.flux_varies()
        found = self._search((*chosen, "flux") if varies else chosen, forced=out_of_focus)
        if found is None:
            return chosen
        record, replaces = found
        again, after = self._choose(fixed)
        if after < LOWERED * left and (replaces or after < MOST_UNEXPLAINED):
            self.probe = record
            return ("probe", *again)
        self.trials = before
        self.probe = _record_of_file(record)
        return chosen

    def take(self, chosen: tuple[Unknown, ...]) -> None:
        """Find the probe and the number of modes, where they are among what is chosen."""
        if "probe" in chosen:
            before = self.trials
            found = self._search(tuple(one for one in chosen if one != "probe"), forced=True)
            assert found is not None
            self.probe, replaces = found
            if not replaces:
                self.trials = before
                self.probe = _record_of_file(self.probe)

    def found(self, chosen: tuple[Unknown, ...]) -> KnownDataset:
        """The dataset and the options with what was chosen."""
        dataset = self.trials.start(chosen)
        names = tuple(one for one in chosen if one != "probe" or (self.probe and self.probe.start))
        least = max((PASSES[name] for name in names), default=0) + MORE_PASSES * max(len(names) - 1, 0)
        enough = max(self.options.planned, least)
        passes = enough if least else self.options.passes
        choice = UnknownsRecord(chosen=names, unexplained={k: round(v, 4) for k, v in self.trials.unexplained.items()})
        fewest = max(self.options.planned, FEWEST_PASSES) if names and set(names) <= SETTLING else None
        if "positions" in names and enough < MOST_POSITION_PASSES:
            fewest, passes = enough, MOST_POSITION_PASSES
        change = at(_OPTIONS.unknown).put(names) >> at(_OPTIONS.passes).put(passes)
        return KnownDataset(dataset, change(self.options), self.probe, choice, self.trials.trial, fewest)

    def _choose(self, fixed: set[Unknown]) -> tuple[tuple[Unknown, ...], float]:
        chosen: tuple[Unknown, ...] = ()
        left = self.trials.left(chosen)
        # Where noise hides all differences nothing can be chosen by them.
        if left < NEARLY_ALL_EXPLAINED or left == math.inf:
            return chosen, left
        without = {"background"} if self.options.background == "none" else set()
        together = tuple(one for one in TOGETHER if one not in fixed | without)
        if not self.trials.flux_varies():
            together = tuple(one for one in together if one != "flux")
        # Further modes explain a part of all else: they come first only where they leave clearly less.
        remaining: list[Unknown] = [*together, *(() if "modes" in fixed else ("modes",))]
        while remaining and left > NEARLY_ALL_EXPLAINED:
            tried = remaining
            if left < WELL_EXPLAINED and not self.trials.left((*chosen, *together), rough=True) < LOWERED * left:
                tried = [one for one in remaining if one == "modes"]
            misfits = {one: self.trials.left((*chosen, one)) for one in tried}
            best = min(tried, key=lambda one: misfits[one] / (LOWERED if one == "modes" else 1.0), default=None)
            if best is None or not misfits[best] < LOWERED * left:
                everything = (*chosen, *remaining)
                if (
                    left > EXPLAINED
                    and (together_left := self.trials.left(everything, rough=True)) < LOWERED_TOGETHER * left
                ):
                    return everything, together_left
                break
            chosen, left = (*chosen, best), misfits[best]
            remaining.remove(best)
            together = tuple(one for one in together if one != best)
        return chosen, left

    def _out_of_focus(self, chosen: tuple[Unknown, ...], left: float) -> bool:
        """Whether the probe of the file at another focus leaves clearly less than with the positions that were chosen.

        A scan under a defocused probe is like one of other positions under another defocus.
        """
        if not (NEARLY_ALL_EXPLAINED if "positions" in chosen else WELL_EXPLAINED) < left < EXPLAINED:
            return False
        rest = tuple(one for one in chosen if one not in ("positions", "modes"))
        return any(self.trials.at_another_focus(rest, phase) < LOWERED * left for phase in DEFOCUS_RAD)

    def _search(self, chosen: tuple[Unknown, ...], *, forced: bool = False) -> tuple[ProbeRecord, bool] | None:
        """Search for a probe, with what else is chosen, and put it into the trials: its record and whether by itself
        it replaces that of the file, which is None where that explains the patterns, unless forced."""
        dataset = self.trials.start(tuple(one for one in chosen if one in ("flux", "background")))
        scan, known = normalise(dataset), dataset.probe_known
        search = ProbeSearch(scan, self.trials.rng, self.device)
        before = search.misfit(scan.probe) if known else None
        if before is not None and not forced and search.explains(before):
            self.probe = ProbeRecord(start=None, misfit=round(before, 6), misfit_file=None)
            return None
        found = search.run(scan.probe if known else None)
        self.trials = self.trials.under((found.probe / scan.probe_factor).numpy())
        return _record(found, before), before is None or search.replaces(found, before)


def _record(found: FoundProbe, before: float | None) -> ProbeRecord:
    of_file = None if before is None else round(before, 6)
    return ProbeRecord(start=found.start, misfit=round(found.misfit, 6), misfit_file=of_file)


def _record_of_file(record: ProbeRecord) -> ProbeRecord:
    """The record of a probe of the file that stays, from that of the search."""
    assert record.misfit_file is not None
    return ProbeRecord(start=None, misfit=record.misfit_file, misfit_file=None)
