"""Forward models."""

from math import isqrt

import torch
from torch import Tensor

from ptycho_torch.nets.output_scale import rectangular
from ptycho_torch.physics.diffraction import exit_waves, far_field, mode_sum_intensity
from ptycho_torch.physics.overlap import Weighting
from ptycho_torch.physics.probe import soft_disk
from tests.parity.physics.arrays import Vectors, centred, tensor, yx
from tests.parity.physics.checks_stitching import DIVISOR, extracted_of, region_of, weights_of, without_division_bias
from tests.parity.physics.formulas.intensities import coherent_sum_intensity
from tests.parity.physics.formulas.probes import field_scale
from tests.parity.physics.formulas.reassembly import region_side
from tests.parity.physics.formulas.scaling import intensity_scale
from tests.parity.physics.verdict import INTERPOLATED, RTOL, Finding, Same, equal

COHERENT = "modes_add_in_intensity"
UNBIASED = "no_bias_in_denominators"
NEIGHBOUR_DISTANCE_PX = 3.0
GAIN = 2.5
PROBE_MASK_SIGMA = 1.0
PHYSICS_FLOOR = 1e-9


def _object_and_probe(z: Vectors) -> tuple[Tensor, Tensor]:
    """Patches `(B, C, N, N)` and probes `(B, C, P, N, N)`."""
    patches = tensor(z["object"])
    probe = tensor(z["probe"])
    return patches, probe.expand(*patches.shape[:2], *probe.shape[2:])


def _mask(patches: Tensor) -> Tensor:
    return soft_disk(patches.shape[-1], None, PROBE_MASK_SIGMA).double()


def together(z: Vectors, patches: Tensor, weighting: Weighting, divisor: float = 0.0) -> Tensor:
    """The patches of each group replaced by cuts of the one object that they form."""
    distance = float(z["max_neighbor_distance"]) if "max_neighbor_distance" in z else NEIGHBOUR_DISTANCE_PX
    offsets, side = yx(z["offsets"]), patches.shape[-1]
    weights = weights_of(tensor(z["probe"]), patches, weighting)
    region = region_of(patches, weights, offsets, region_side(side, isqrt(patches.shape[1]), distance))
    return extracted_of(without_division_bias(region, weighting, divisor), offsets, side)


def _amplitudes(patches: Tensor, probe: Tensor) -> tuple[Tensor, Tensor]:
    """`(sqrt sum_p |F P_p O|^2, |sum_p F P_p O|)`: ours, and what modes give that interfere."""
    spectrum = far_field(exit_waves(patches, probe))
    made = [centred(add(spectrum)).sqrt() for add in (mode_sum_intensity, coherent_sum_intensity)]
    return made[0], made[1]


def illuminated(z: Vectors, key: str) -> Finding:
    """`P O` of every mode."""
    return equal(exit_waves(*_object_and_probe(z)), z[key])


def diffracted(z: Vectors, key: str) -> Finding:
    """All modes, or the first."""
    patches, probe = _object_and_probe(z)
    modes, interfering = _amplitudes(patches, probe[:, :, :1] if key == "diff_single" else probe)
    return Finding([Same(modes, z[key])], (COHERENT,), [Same(interfering, z[key])])


MERGED: dict[str, Weighting] = {"probe": "probe"}


def amplitude(z: Vectors, key: str) -> Finding:
    """`|sum_p F(O P)| / k` alone, or after groups became one object."""
    name = key.removeprefix("amp_")
    patches, probe = _object_and_probe(z)
    weighting, rtol, rules = MERGED.get(name, "central_mask"), INTERPOLATED, [COHERENT]
    gain = (float(z["gain"]) if "gain" in z else GAIN) if name == "gain" else 1.0
    lit = probe * _mask(patches) if name == "mask" else probe
    if name == "small":
        ours, theirs, rtol = patches, patches, RTOL
    else:
        ours = together(z, patches, weighting)
        biased = name in {"big", "mask", "gain"}
        theirs = together(z, patches, weighting, DIVISOR) if biased else ours
        rules += [UNBIASED] if biased else []
    if name == "uniform":
        rules.append("uniform_is_everywhere")
    scale = gain / tensor(z["k_out"])
    direct = [] if name == "uniform" else [Same(scale * _amplitudes(ours, lit)[0], z[key], rtol)]
    return Finding(direct, tuple(rules), [Same(scale * _amplitudes(theirs, lit)[1], z[key], rtol)])


def simulated(z: Vectors, key: str) -> Finding:
    """Patterns of `nphotons` on average, `f |sum_p F(O P)|^2`, and their probe `P sqrt(f)`."""
    patches, probe = tensor(z["object"])[0], tensor(z["probe"])[0, 0]
    modes = probe[:1] if "single" in key else probe
    found = []
    for made in _amplitudes(patches, modes.expand(len(patches), *modes.shape)):
        scale = intensity_scale(made, float(z["nphotons"]))
        found.append((modes * scale)[None] if key.endswith("_probe") else (scale * made).square())
    return Finding([Same(found[0], z[key])], (COHERENT,), [Same(found[1], z[key])])


def _scaled_object(z: Vectors, patches: Tensor) -> Tensor:
    chosen = z["experiment_ids"]
    s1, s2 = (tensor(z[name])[chosen].reshape(-1, 1, 1, 1) for name in ("s1", "s2"))
    return rectangular(patches, s1, s2) * tensor(z["k"])


def rectangular_intensity(z: Vectors, key: str) -> Finding:
    """`sum_p |F(k (s1 P Re O + i s2 P Im O))|^2` alone, after merging, or under the mask."""
    patches, probe = _object_and_probe(z)
    lit = probe * _mask(patches) if key == "I_mask" else probe

    def intensity(of: Tensor) -> Tensor:
        return centred(mode_sum_intensity(far_field(exit_waves(_scaled_object(z, of), lit))))

    if key != "I_big":
        return equal(intensity(patches), z[key])
    found = [intensity(together(z, patches, "central_mask", divisor)) for divisor in (0.0, DIVISOR)]
    return Finding([Same(found[0], z[key], INTERPOLATED)], (UNBIASED,), [Same(found[1], z[key], INTERPOLATED)])


def rectangular_waves(z: Vectors, key: str) -> Finding:
    """`F(k P Re O)` and `F(i k P Im O)`."""
    patches, probe = _object_and_probe(z)
    one, none = torch.ones(()), torch.zeros(())
    part = rectangular(patches, *((one, none) if key == "psi_a" else (none, one))) * tensor(z["k"])
    return equal(centred(far_field(exit_waves(part, probe))), z[key])


def scale_of_field(z: Vectors, key: str) -> Finding:
    """`1 / q`, and `1 / (q sqrt(s))`, where theirs adds a small number to `q^2 s`."""
    q = tensor(z["q"])
    if key == "k_ci":
        return equal(field_scale(q), z[key])
    physics = tensor(z["physics_scale"])
    ours, energy = field_scale(q, physics), q.square() * physics
    floored = ours * torch.sqrt(energy / (energy + PHYSICS_FLOOR))
    return Finding([Same(ours, z[key])], (UNBIASED,), [Same(floored, z[key])])
