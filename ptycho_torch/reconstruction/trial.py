"""Short reconstructions of a part of a scan that tell what of the instrument is not known."""

import copy
from collections.abc import Callable

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.replace import replace
from ptycho_torch.physics.canvas import canvas_of, patch_corners
from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity
from ptycho_torch.physics.probe_components import frame_probes
from ptycho_torch.physics.windows import read
from ptycho_torch.reconstruction.pattern_sample import PatternSample
from ptycho_torch.reconstruction.refine import refine
from ptycho_torch.records import Refined, Scan

# Where a model leaves less of the differences between the patterns, no other is tried.
NEARLY_ALL_EXPLAINED = 0.03
PATTERNS, HELD_BACK, PASSES = 100, 0.1, 8
_CHUNK = 64
OPTIONS = RefineOptions(passes=PASSES, batch=16, alpha=0.5, coarse=1, average=0)


class Trial:
    """Neighbouring patterns of a scan, with detector pixels that no update sees: `held` `(N, N)` bool.

    scan: the whole one, or as it is with another probe, flux or background; sample: its patterns `rows` in another
    form, which tells the noise; seed: of held-back pixels and orders, the same in every trial; device: computes.
    """

    def __init__(
        self, sample: PatternSample, rows: Tensor, valid: Tensor | None, seed: int, device: torch.device
    ) -> None:
        self.sample, self.rows, self.seed, self.device = sample, rows, seed, device
        side = sample.amplitude.shape[-1]
        chosen = torch.from_numpy(np.random.default_rng(seed).random((side, side)) < HELD_BACK)
        self.held = chosen if valid is None else chosen & valid
        self.seen = ~chosen if valid is None else valid & ~chosen

    def narrowed(self, rows: Tensor) -> "Trial":
        """The same trial on some of its patterns, sorted `rows` of the scan."""
        made = copy.copy(self)
        made.rows = rows
        return made

    def part(self, scan: Scan) -> Scan:
        """The patterns of a scan that are tried, of which only the pixels that updates may see count."""
        return choose_patterns(scan, self.rows, self.seen)

    def unexplained(
        self, scan: Scan, options: RefineOptions, start: Tensor | None = None, passes: int = PASSES
    ) -> float:
        """The part of the differences between the patterns, apart from noise, that is left at the held-back pixels
        after a few passes; `options.unknown` is estimated.

        scan: the whole one; start: an object `(H, W)` complex64 in its units on the canvas of `part`, None for a flat
        one.
        """
        part = self.part(scan)
        origin, height, width = canvas_of(part.centre_yx, part.probe.shape[-1])
        y, x = origin.long().tolist()
        if start is None:
            start = torch.full((height, width), self._level(part), dtype=torch.complex64)
        options = replace(RefineOptions, OPTIONS, unknown=options.unknown, background=options.background, passes=passes)
        found = refine(part, start, (y, x), options, rng=np.random.default_rng(self.seed), device=self.device)
        return self.sample.unexplained(held_back_misfit(found, lambda _: self.held))

    def _level(self, part: Scan) -> float:
        """The modulus of a flat object that has as much power on the detector as the patterns."""
        modelled = mode_sum_intensity(far_field(part.probe)) * self.seen
        measured = part.signal(torch.arange(len(part.centre_yx))).square().mean(0) * self.seen
        return float((measured.sum() / modelled.sum().clamp_min(torch.finfo(torch.float32).tiny)).sqrt())


def held_back_misfit(found: Refined, held: Callable[[Tensor], Tensor]) -> float:
    """`sum (A - sqrt(M))^2 / sum A^2` over the pixels, `(N, N)` or `(B, N, N)` bool, that are held back in some of the
    patterns, by their rows; found: what was refined without them."""
    scan, side, lost, total = found.scan, found.scan.probe.shape[-1], 0.0, 0.0
    for rows in torch.arange(len(scan.centre_yx)).split(_CHUNK):
        amplitude, background = scan.measured(rows)
        corners = patch_corners(scan.centre_yx[rows], side, torch.tensor(found.origin_yx)).tolist()
        waves = exit_waves(read(found.object, corners, side), frame_probes(scan, rows, scan.probe))
        modelled = mode_sum_intensity(far_field(waves))
        if background is not None:
            modelled += background
        judged = held(rows)
        lost += float(((modelled.sqrt_() - amplitude).square() * judged).sum())
        total += float((amplitude.square() * judged).sum())
    return lost / max(total, torch.finfo(torch.float32).tiny)


def choose_patterns(scan: Scan, rows: Tensor, valid: Tensor) -> Scan:
    """The scan with these rows of its patterns, of which only the valid pixels `(N, N)` count."""
    return attrs.evolve(
        scan,
        amplitude=scan.amplitude[rows],
        centre_yx=scan.centre_yx[rows],
        fraction_yx=scan.fraction_yx[rows],
        valid_pixels=valid,
        label=None,
        initial=None,
        flux=None if scan.flux is None else scan.flux[rows],
        weights=None if scan.weights is None else scan.weights[rows],
    )
