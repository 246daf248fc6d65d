"""The first stage of a reconstruction: what the file lacks or has wrong."""

import attrs
import numpy as np
import torch

from ptycho_config.lens import at, fields
from ptycho_config.schema import RefineOptions
from ptycho_torch.data.scan import normalise
from ptycho_torch.output.run_records import ProbeRecord
from ptycho_torch.reconstruction.probe_search import ProbeSearch
from ptycho_torch.records import Dataset

_OPTIONS = fields(RefineOptions)
# A retrieved probe is right in its shape; its details come with the object in these passes.
PASSES_AFTER_SEARCH = 12


@attrs.frozen(eq=False)
class KnownDataset:
    """A dataset with the probe to use, the refinement options that go with it, and the record of the choice, None
    where there was none to make."""

    dataset: Dataset
    options: RefineOptions
    probe: ProbeRecord | None


def estimate_unknowns(dataset: Dataset, options: RefineOptions, *, seed: int, device: torch.device) -> KnownDataset:
    """The dataset with the probe that `options.unknown` asks for.

    A retrieved probe is refined in the passes too, of which there are at least twelve. seed: of held-back pixels and
    orders; device: computes.
    """
    automatic = options.unknown == "auto"
    if not options.unknown:
        return KnownDataset(dataset, options, None)
    scan = normalise(dataset)
    with torch.inference_mode():
        search = ProbeSearch(scan, np.random.default_rng(seed), device)
        before = search.misfit(scan.probe) if dataset.probe_known else None
        kept = automatic and before is not None and search.explains(before)
        found = None if kept else search.run(scan.probe if dataset.probe_known else None)
    if before is not None and (found is None or not search.replaces(found, before)):
        return KnownDataset(dataset, options, ProbeRecord(start=None, misfit=round(before, 6), misfit_file=None))
    assert found is not None
    record = ProbeRecord(
        start=found.start, misfit=round(found.misfit, 6), misfit_file=None if before is None else round(before, 6)
    )
    change = at(_OPTIONS.passes).put(max(options.passes, PASSES_AFTER_SEARCH)) >> at(_OPTIONS.refine_probe).put(True)
    probe = (found.probe / scan.probe_factor).numpy()
    return KnownDataset(attrs.evolve(dataset, probe=probe, probe_known=True), change(options), record)
