"""The records of runs: frozen values, and their form as JSON.

`metrics.json`, bundles and what the verbs return hold these. Optional entries that are not known are left
out of the JSON.
"""

import functools
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import attrs
import cattrs
import torch
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from ptycho_config import dump
from ptycho_config import load as load_config
from ptycho_config.schema import RefineOptions
from ptycho_config.schema.values import coercer
from ptycho_torch.data.scan import Statistics
from ptycho_torch.errors import DataError
from ptycho_torch.output.choice_records import (
    ComponentsRecord,
    HalvesRecord,
    InstrumentRecord,
    NetworkRecord,
    PhotonsRecord,
    PositionCorrections,
    ProbeRecord,
    SparseRecord,
    UnknownsRecord,
)
from ptycho_torch.verdict import Verdict

R = TypeVar("R")
_LIBRARIES = ("ptycho", "torch", "lightning", "numpy")


def library_versions() -> dict[str, str]:
    """Versions of this project and of the libraries that decide its numbers."""
    return {name: version(name) for name in _LIBRARIES}


def machine() -> dict[str, str]:
    """The system of this machine and the threads of torch, on which the last bits of a result depend."""
    return {"system": platform.platform(), "threads": str(torch.get_num_threads())}


@attrs.frozen
class Losses:
    """Losses of each epoch, in the order of the epochs; val_loss is empty without validation."""

    train_loss: tuple[float, ...] = ()
    val_loss: tuple[float, ...] = ()


@attrs.frozen(kw_only=True)
class TrainingSeconds:
    """Wall seconds of reading and grouping, and of training."""

    data: float
    training: float


@attrs.frozen(kw_only=True)
class TrainingRecord:
    """The record of a training.

    history: the losses; kept_epoch: the epoch whose weights were kept, from 0; parameters: of the network;
    groups: trained on; statistics: of the training patterns, None where the scans are too different;
    verdict: on the scans; seed: of weights, grouping and order; files: digests of the scans by path;
    object_shapes: `(H, W)` px of the objects of the scans, for ptychodus; intensity_scale: as given to
    `save_torch_bundle`. None where not known.
    """

    history: Losses
    kept_epoch: int | None = None
    parameters: int | None = None
    groups: int | None = None
    statistics: Statistics | None = None
    verdict: Verdict | None = None
    seed: int | None = None
    seconds: TrainingSeconds | None = None
    peak_memory_mib: int | None = None
    versions: dict[str, str] = attrs.field(factory=library_versions)
    machine: dict[str, str] = attrs.field(factory=dict)
    files: dict[str, str] = attrs.field(factory=dict)
    object_shapes: tuple[tuple[int, int], ...] = ()
    intensity_scale: float | None = None


@attrs.frozen(kw_only=True)
class InferenceSeconds:
    """Wall seconds of reading, of the search for a probe, of network and stitching, and of refinement where there was
    one."""

    loading: float
    unknown: float | None = None
    predict_and_stitch: float
    refine: float | None = None


@attrs.frozen(kw_only=True)
class ObjectRecord:
    """The entries that the records of reconstructions and refinements have in common; probe: its choice, where there
    was one.

    R, R_flat: R factor of the object, and of a flat one; verdict: whether to trust it, and why; patterns:
    that were used; files: digests of what was read, by path.
    """

    R: float
    R_flat: float
    verdict: Verdict
    patterns: int
    position_corrections: PositionCorrections | None = None
    probe: ProbeRecord | None = None
    unknown: UnknownsRecord | None = None
    instrument: InstrumentRecord | None = None
    components: ComponentsRecord | None = None
    photons: PhotonsRecord | None = None
    sparse: SparseRecord | None = None
    halves: HalvesRecord | None = None
    seed: int
    peak_memory_mib: int
    versions: dict[str, str] = attrs.field(factory=library_versions)
    machine: dict[str, str] = attrs.field(factory=dict)
    files: dict[str, str] = attrs.field(factory=dict)

    @property
    def choices(self) -> tuple[str, ...]:
        """Sentences on what was estimated besides the object, and why."""
        parts = (self.probe, self.unknown, self.instrument, self.components, self.photons, self.sparse, self.halves)
        return tuple(part.sentence for part in parts if part is not None and part.sentence)


@attrs.frozen(kw_only=True)
class InferenceRecord(ObjectRecord):
    """The record of a reconstruction.

    s1, s2: scales fitted to real and imaginary part; refine: R before each refinement pass; network: its comparison
    with the solver, None where there was none; object_px: `(H, W)` of the canvas; origin_px: scan pixel (y, x) of its
    `[0, 0]`.
    """

    network: NetworkRecord | None = None
    s1: float | None = None
    s2: float | None = None
    refine: tuple[float, ...] = ()
    object_px: tuple[int, int]
    origin_px: tuple[int, int]
    seconds: InferenceSeconds

    @property
    def choices(self) -> tuple[str, ...]:
        """Sentences on what was estimated, why, and whose the object is."""
        of_instrument = super().choices
        return of_instrument if self.network is None else (*of_instrument, self.network.sentence)


@attrs.frozen(kw_only=True)
class RefinementSeconds:
    """Wall seconds of the passes."""

    refine: float


@attrs.frozen(kw_only=True)
class RefinementRecord(ObjectRecord):
    """The record of a refinement without a network; R_by_pass: R before each pass."""

    R_by_pass: tuple[float, ...]
    options: RefineOptions
    seconds: RefinementSeconds


@attrs.frozen(kw_only=True)
class TrialRecord:
    """The result of one trial of a sweep.

    loss: of the kept epoch; epochs: trained; train_s: wall seconds of the training; parameters: of the
    network; R: of the reconstruction, None without a scan for it; contrast, detail, phase_mae in rad: of the
    reconstruction against the truth, None where that is not known.
    """

    loss: float
    epochs: int
    train_s: float
    parameters: int
    R: float | None = None
    contrast: float | None = None
    detail: float | None = None
    phase_mae: float | None = None


@functools.cache
def _converter() -> cattrs.Converter:
    made = cattrs.Converter(forbid_extra_keys=True)
    for scalar in (bool, int, float, str):
        made.register_structure_hook(scalar, lambda value, kind: coercer(kind)(value))
    made.register_unstructure_hook(RefineOptions, dump)
    made.register_structure_hook(RefineOptions, lambda data, _: load_config(RefineOptions, data))
    made.register_unstructure_hook_factory(
        attrs.has,
        lambda cls: make_dict_unstructure_fn(
            cls, made, _cattrs_omit_if_default=True, versions=override(omit_if_default=False)
        ),
    )
    made.register_structure_hook_factory(
        attrs.has, lambda cls: make_dict_structure_fn(cls, made, _cattrs_forbid_extra_keys=True)
    )
    return made


def to_json(record: Any) -> dict[str, Any]:
    """A record as JSON values."""
    data: dict[str, Any] = _converter().unstructure(record)
    return data


def from_json(cls: type[R], data: Any, source: Path | str) -> R:
    """The record of class `cls` that `to_json` wrote as data.

    source: the file, for the error. Raises DataError with every entry that is missing, unknown or of another type.
    """
    try:
        return _converter().structure(data, cls)
    except (cattrs.BaseValidationError, TypeError, ValueError) as error:
        reasons = "; ".join(cattrs.transform_error(error, path="record"))
        raise DataError(str(source), f"its record cannot be read: {reasons}") from None
