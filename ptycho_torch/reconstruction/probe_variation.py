"""The search for the variation of a probe from pattern to pattern, and whether it is kept.

The object and the mean probe come first. The probes that a sample of the patterns wants give the first components,
their strongest singular vectors; passes that follow the object improve all together. As many passes with the mean probe
alone are compared, by pixels that neither has seen.
"""

import attrs
import numpy as np
import torch
from torch import Tensor

from ptycho_config.schema import RefineOptions
from ptycho_config.schema.refine import Unknown
from ptycho_config.schema.replace import replace
from ptycho_torch.output.choice_records import ComponentsRecord
from ptycho_torch.physics.canvas import patch_corners
from ptycho_torch.physics.diffraction import exit_waves
from ptycho_torch.physics.exit_wave_update import exit_wave_change, photon_intensity, probe_spectra
from ptycho_torch.physics.probe_components import Variation, component_powers, frame_probes
from ptycho_torch.physics.windows import read
from ptycho_torch.reconstruction.refine import Progress, refine
from ptycho_torch.reconstruction.refine_batches import frame_masks
from ptycho_torch.reconstruction.trial import choose_patterns, held_back_misfit
from ptycho_torch.records import Refined, Scan

SAMPLE, CHUNK, HELD_BACK = 256, 64, 0.1
PASSES = 32
# Components leave at most this part of the misfit of held-back pixels, their noise included, or are not kept.
KEPT = 0.98


def find_variation(
    found: Refined, options: RefineOptions, *, seed: int, device: torch.device, progress: Progress = lambda _: None
) -> tuple[Refined, ComponentsRecord]:
    """A refined object with `options.probe_components` components of its probe, where held-back pixels ask for them;
    else as it was found.

    seed: of these pixels and of the orders; device computes; progress is called with the number of patterns of each
    finished batch, at most `3 PASSES` times all.
    """
    stage = _stage(options)
    valid, side = found.scan.valid_pixels, found.scan.probe.shape[-1]
    mask = torch.from_numpy(np.random.default_rng(seed).random((side, side)) < HELD_BACK)

    def improved(start: Refined, held_back: Tensor | None) -> Refined:
        made = refine(
            start.scan,
            start.object,
            start.origin_yx,
            stage,
            rng=np.random.default_rng(seed),
            device=device,
            progress=progress,
            held_back=held_back,
        )
        return attrs.evolve(made, history=start.history + made.history)

    def judged(rows: Tensor) -> Tensor:
        held = frame_masks(mask, rows)
        return held if valid is None else held & valid

    with torch.inference_mode():
        first = first_components(found, options.probe_components)
        varied = attrs.evolve(found.scan, components=first.components, weights=first.weights)
        one, several = improved(found, mask), improved(attrs.evolve(found, scan=varied), mask)
        misfits = [held_back_misfit(made, judged) for made in (one, several)]
        record = ComponentsRecord(
            kept=misfits[1] < KEPT * misfits[0],
            powers=_powers(several.scan),
            misfit=round(misfits[1], 6),
            misfit_one=round(misfits[0], 6),
        )
        return improved(several, None) if record.kept else found, record


def _stage(options: RefineOptions) -> RefineOptions:
    """The options of the passes that estimate components: positions, which these follow, stay."""
    counts: tuple[Unknown, ...] = ("background", "flux")
    still = tuple(one for one in counts if one in options.unknown)
    return replace(
        RefineOptions, options, unknown=still, passes=PASSES, refine_probe=True, refine_positions=False, coarse=0
    )


def first_components(found: Refined, number: int) -> Variation:
    """The strongest singular vectors, `number` of them, of the changes of the probe that a sample of the patterns
    wants with the object as found, of the norm of the probe, and weights of 0."""
    scan, count = found.scan, len(found.scan.centre_yx)
    rows = torch.linspace(0, count - 1, min(SAMPLE, count)).long().unique()
    side = scan.probe.shape[-1]
    valid = torch.ones(side, side, dtype=torch.bool) if scan.valid_pixels is None else scan.valid_pixels
    sample = choose_patterns(scan, rows, valid)
    photon = photon_intensity(sample.amplitude[torch.arange(len(rows))] * valid)
    wanted = torch.cat([_probe_changes(sample, found, part, photon) for part in torch.arange(len(rows)).split(CHUNK)])
    flat = torch.view_as_real(wanted - wanted.mean(0)).flatten(1)
    vectors = torch.linalg.svd(flat, full_matrices=False)[2][:number]
    spectra = torch.view_as_complex(vectors.unflatten(1, (side, side, 2)).contiguous())
    components = torch.fft.ifft2(spectra, norm="ortho") * torch.linalg.vector_norm(scan.probe)
    return Variation(components, torch.zeros(count, len(components)))


def _probe_changes(scan: Scan, found: Refined, rows: Tensor, photon: float) -> Tensor:
    """The DFT of the change of the first mode that each of the patterns `rows` asks for."""
    amplitude, background = scan.measured(rows)
    corners = patch_corners(scan.centre_yx[rows], amplitude.shape[-1], torch.tensor(found.origin_yx)).tolist()
    patches = read(found.object, corners, amplitude.shape[-1])
    waves = exit_waves(patches, frame_probes(scan, rows, scan.probe))
    change = exit_wave_change(waves, amplitude, photon, scan.valid_pixels, background).change
    return probe_spectra(change[:, 0], patches, scan.fraction_yx[rows])


def _powers(scan: Scan) -> tuple[float, ...]:
    assert scan.components is not None
    assert scan.weights is not None
    powers = component_powers(scan.probe, Variation(scan.components, scan.weights))
    return tuple(round(value, 6) for value in powers.tolist())
