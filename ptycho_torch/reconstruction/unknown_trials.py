"""Trials of what is not known of an instrument: what of the patterns each leaves unexplained."""

import copy

import attrs
import numpy as np
import torch
from numpy.typing import NDArray

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import Unknown
from ptycho_config.schema.replace import replace
from ptycho_torch.data.scan import normalise
from ptycho_torch.physics.counts import first_background, flux_from_neighbours
from ptycho_torch.physics.pupil import Aberration, aberrated_probe
from ptycho_torch.reconstruction.mode_search import find_modes
from ptycho_torch.reconstruction.pattern_sample import pattern_sample, summarise, telling_rows
from ptycho_torch.reconstruction.trial import PATTERNS, Trial
from ptycho_torch.records import Dataset

# The flux of a stable beam seems to vary by so much between neighbours, because of the object.
LEAST_FLUX_SPREAD = 0.03


class UnknownTrials:
    """Trials on a dataset with a probe; seed: of held-back pixels and orders; device: computes.

    unexplained: the part of the differences between the patterns, apart from noise, that each left, by its name.
    """

    def __init__(self, dataset: Dataset, options: RefineOptions, seed: int, device: torch.device) -> None:
        self.dataset, self.options, self.seed, self.device = dataset, options, seed, device
        scan = normalise(dataset)
        self.summary = summarise(scan)
        self.rows = telling_rows(scan, self.summary, PATTERNS)
        self.rng = np.random.default_rng(seed)
        sample = pattern_sample(scan, self.rows, self.rng, device)
        self.trial = Trial(sample, self.rows, scan.valid_pixels, seed, device)
        self.unexplained: dict[str, float] = {}
        # By what else is estimated.
        self.modes: dict[tuple[bool, bool], NDArray[np.complex64]] = {}

    def under(self, probe: NDArray[np.complex64]) -> "UnknownTrials":
        """Trials of the same patterns under another probe `(P, N, N)`."""
        made = copy.copy(self)
        made.dataset = attrs.evolve(self.dataset, probe=probe, probe_known=True)
        made.unexplained, made.modes = {}, {}
        return made

    def left(self, chosen: tuple[Unknown, ...], *, rough: bool = False) -> float:
        """The part that is unexplained with this estimated; remembered for the record. rough: modes that were found
        with less estimated will do."""
        scan = normalise(self.start(chosen, rough=rough))
        if "modes" in chosen and len(scan.probe) == len(self.dataset.probe):
            chosen = tuple(one for one in chosen if one != "modes")
        named = (f"{len(scan.probe)} modes" if one == "modes" else one for one in sorted(chosen))
        name = " + ".join(named) or "nothing"
        if name not in self.unexplained:
            self.unexplained[name] = self.trial.unexplained(scan, replace(RefineOptions, self.options, unknown=chosen))
        return self.unexplained[name]

    def flux_varies(self) -> bool:
        """Whether the totals of neighbours differ by more than the object makes them."""
        flux = flux_from_neighbours(self.summary.total.numpy(), self.dataset.position_yx)
        return float(np.log(flux).std()) > LEAST_FLUX_SPREAD

    def start(self, chosen: tuple[Unknown, ...], *, rough: bool = False) -> Dataset:
        """The dataset with first guesses of what is chosen."""
        dataset = self.dataset
        if "flux" in chosen:
            dataset = attrs.evolve(dataset, flux=flux_from_neighbours(self.summary.total.numpy(), dataset.position_yx))
        if "background" in chosen:
            dataset = attrs.evolve(dataset, background=self._background())
        if "modes" in chosen:
            found = next(iter(self.modes.values())) if rough and self.modes else self._modes(dataset)
            dataset = attrs.evolve(dataset, probe=found)
        return dataset

    def _modes(self, dataset: Dataset) -> NDArray[np.complex64]:
        """The modes of the probe of a dataset, whose flux or background may be estimated."""
        key = dataset.flux is None, dataset.background is None
        if key not in self.modes:
            self.modes[key] = self._find_modes(dataset, self.options.modes)
        return self.modes[key]

    def _find_modes(self, dataset: Dataset, number: int) -> NDArray[np.complex64]:
        scan = normalise(dataset)
        sample = pattern_sample(scan, self.rows, np.random.default_rng(self.seed), self.device)
        found = find_modes(sample, scan.probe, number, self.seed)
        return (found / scan.probe_factor).numpy()

    def with_a_mode(self) -> float:
        """The part that is unexplained with one mode more, and all else as it is in the file."""
        scan = normalise(attrs.evolve(self.dataset, probe=self._find_modes(self.dataset, len(self.dataset.probe) + 1)))
        return self.trial.unexplained(scan, replace(RefineOptions, self.options, unknown=("modes",)))

    def _background(self) -> NDArray[np.float32]:
        scan = normalise(self.dataset)
        mean = self.summary.mean * (scan.object_scale / scan.probe_factor) ** 2
        return first_background(torch.fft.fftshift(mean).numpy(), self.dataset.valid_pixels)

    def at_another_focus(self, rest: tuple[Unknown, ...], phase: float) -> float:
        """The part that is unexplained with `rest` estimated, under the probe out of focus by `phase`, rad at its rms
        frequency; remembered for the record."""
        probe = aberrated_probe(torch.from_numpy(self.dataset.probe), Aberration(phase)).numpy()
        scan = normalise(attrs.evolve(self.start(rest), probe=probe))
        name = " + ".join([*sorted(rest), f"defocus {phase:+.2g} rad"])
        self.unexplained[name] = self.trial.unexplained(scan, replace(RefineOptions, self.options, unknown=rest))
        return self.unexplained[name]
