"""Variable projection, ring correlation and similarity."""

import numpy as np
import torch
from skimage.filters import gaussian
from skimage.metrics import structural_similarity
from torch import Tensor

from ptycho_torch.evaluation.fourier_ring import ONE_SEVENTH, crossing, fourier_ring_correlation, information_threshold
from ptycho_torch.evaluation.metrics import remove_ramp
from ptycho_torch.evaluation.similarity import SCALE_WEIGHTS, multi_scale_ssim, psnr_db, similarity
from ptycho_torch.nets.output_scale import rectangular
from ptycho_torch.physics.diffraction import diffraction_intensity, exit_waves, far_field
from ptycho_torch.physics.varpro import Moments, intensity_parts, moments, solve
from tests.parity.physics.arrays import Vectors, centred, tensor
from tests.parity.physics.formulas.intensities import squared_residual
from tests.parity.physics.verdict import Array, Finding, Holds, Part, Same, equal

PARTS = {"X1": 0, "X2": 1, "X3": 2}
OURS_TO_THEIRS = [0, 2, 1]
SOLVER_RTOL = 1e-4
PEAK = 255.0
SMALLEST_SCALE_PX = 7
SMALLEST_SSIM = 1e-4
RIDGE = 1e-9


def _fields(z: Vectors) -> tuple[Tensor, Tensor, Tensor]:
    """Patches and probes `(B, C, P, N, N)`, and the patterns in FFT order."""
    patches = torch.complex(tensor(z["a"]), tensor(z["b"]))
    probe = tensor(z["probe"]).expand(*patches.shape[:2], -1, -1, -1)
    return patches, probe, torch.fft.ifftshift(tensor(z["intensity"]), dim=(-2, -1))


def waves(z: Vectors, key: str) -> Finding:
    """`F(P a)` and `F(i P b)`."""
    _, probe, _ = _fields(z)
    part = tensor(z["a"]) + 0j if key == "psi_a" else 1j * tensor(z["b"])
    return equal(centred(far_field(exit_waves(part, probe))), z[key])


def parts_of_intensity(z: Vectors, key: str) -> Finding:
    """X1, X2, X3."""
    patches, probe, _ = _fields(z)
    return equal(centred(intensity_parts(patches, probe)[PARTS[key]]), z[key])


def sums(z: Vectors, key: str) -> Finding:
    """The normal equations; ours order the parts as (X1, X3, X2)."""
    made = moments(*_fields(z))
    if key == "ATA":
        return equal(made.gram[np.ix_(OURS_TO_THEIRS, OURS_TO_THEIRS)], z[key])
    return equal(made.target[OURS_TO_THEIRS][:, None], z[key])


def energy(z: Vectors, key: str) -> Finding:
    """`sum I^2`: what the moments lack of the squared distance between model and patterns."""
    patches, probe, intensity = _fields(z)
    s1, s2 = z["s_true"]
    modelled = diffraction_intensity(rectangular(patches, torch.tensor(s1), torch.tensor(s2)), probe)
    direct = float((modelled - intensity).square().sum())
    return equal(direct - squared_residual(moments(patches, probe, intensity), 0.0, s1, s2), z[key])


def pixels(z: Vectors, key: str) -> Finding:
    """As many as the parts of the intensity have."""
    patches, probe, _ = _fields(z)
    return equal(intensity_parts(patches, probe)[0].numel(), z[key])


def _no_better(made: Moments, z: Vectors, scales: Array) -> Part:
    total = float(np.square(z["intensity"]).sum())
    ours, theirs = (squared_residual(made, total, *pair) for pair in (solve(made), scales.tolist()))
    return Holds(
        f"theirs, residual {theirs:.8g}, fits no better than ours, {ours:.8g}",
        ours <= theirs * (1 + 1e-7) + 1e-10 * total,
    )


def exact_scales(z: Vectors, key: str) -> Finding:
    """The best scales, `s1 >= 0`."""
    made = moments(*_fields(z))
    near = [Same(solve(made), z[key], SOLVER_RTOL), _no_better(made, z, z[key].astype(float))]
    return Finding([Same(solve(made), z[key])], ("the_exact_solver",), near if key == "s_lbfgs" else ())


def eigen_scales(z: Vectors, key: str) -> Finding:
    """The rank-one part of the unconstrained solution, of either sign."""
    made = moments(*_fields(z))
    gram = made.gram + RIDGE * made.gram.max() * np.eye(3)
    first, cross, second = np.linalg.solve(gram, made.target)
    values, vectors = np.linalg.eigh([[first, cross], [cross, second]])
    top = np.sqrt(values[-1]) * vectors[:, -1]
    found = z[key].astype(float)
    sign = 1.0 if top @ found >= 0 else -1.0
    parts = [Same(sign * top, z[key]), _no_better(made, z, found)]
    ours = np.array(solve(made)) * (1.0 if np.dot(solve(made), found) >= 0 else -1.0)
    return Finding([Same(ours, z[key])], ("the_exact_solver",), parts)


def ring_curve(z: Vectors, key: str) -> Finding:
    """All rings; frequencies in units of Nyquist."""
    rings = fourier_ring_correlation(z["target"], z["pred"])
    return equal(rings.correlation if key == "fsc" else 2 * rings.frequency, z[key])


def cut_off(z: Vectors, key: str) -> Finding:
    """The ring where the curve first falls below 1/2 or 1/7."""
    rings = fourier_ring_correlation(z["target"], z["pred"])
    return equal(crossing(rings.correlation, 0.5 if key == "cut50" else ONE_SEVENTH), z[key])


def threshold(z: Vectors, key: str) -> Finding:
    """Theirs has `2 sqrt(S) / n` in the place of `2 sqrt(S) / sqrt(n)`, n = 2 pi k."""
    ring = np.arange(len(z[key]))
    if key == "threshold_x":
        return equal(ring / (z["target"].shape[0] / 2), z[key])
    n = np.where(ring == 0, 1.0, 2 * np.pi * ring)
    signal, root = float(z["SNRt"]), np.sqrt(n)
    published = information_threshold(n, bits=np.log2(2 * signal + 1))  # type: ignore[arg-type]
    rest = 2 * np.sqrt(signal) * (1 / root - 1 / n)
    common = np.divide(1 / root - published, published - 1, out=np.ones_like(n), where=published < 1)
    theirs = (common - rest + 1 / root) / (common - rest + 1)
    return Finding([Same(published, z[key])], ("the_published_threshold",), [Same(theirs, z[key])])


def ramp(z: Vectors, key: str) -> Finding:
    """Their plane is one weighted fit of the wrapped phase; ours comes at least as near the target."""
    image, target, theirs = z["ramp_in"], z["target"], z[key]
    ours = remove_ramp(image, target)
    product = image * np.conj(target)
    grid = np.indices(image.shape).reshape(2, -1)
    design = np.stack([np.ones(image.size), *grid], axis=1)
    root = np.sqrt(np.maximum(np.abs(product).ravel(), 1e-6))
    plane = design @ np.linalg.lstsq(design * root[:, None], root * np.angle(product).ravel(), rcond=None)[0]
    best = theirs * (np.vdot(theirs, target) / np.vdot(theirs, theirs))
    gap, their_gap = np.linalg.norm(ours - target), np.linalg.norm(best - target)
    factor = np.vdot(ours, theirs) / np.vdot(ours, ours)
    return Finding(
        [Same(ours * factor, theirs), Same(np.abs(image), np.abs(theirs))],
        ("ramps_without_wraps",),
        [
            Same(image * np.exp(-1j * plane.reshape(image.shape)), theirs),
            Holds(f"ours leaves {gap:.6g}, theirs {their_gap:.6g}", gap <= their_gap * (1 + 1e-3)),
        ],
    )


def plane(z: Vectors, key: str) -> Finding:
    """The phase of an image without its ramp is the image without its least-squares plane."""
    image = z["plane_in"]
    # Small phases, which do not wrap.
    unit = 0.5 / np.abs(image).max()
    level = np.angle(remove_ramp(np.exp(1j * unit * image), np.ones_like(image, np.complex128))) / unit
    return equal(level - level.mean(), z[key])


def _scaled(z: Vectors) -> tuple[Array, Array]:
    image, truth = z["amp_u"].astype(float), z["amp_t"].astype(float)
    return image * (truth.mean() / image.mean()), truth


def errors(z: Vectors, key: str) -> Finding:
    """After the ratio of the means."""
    return equal(getattr(similarity(*_scaled(z)), key), z[key])


def peak_ratio(z: Vectors, key: str) -> Finding:
    """Theirs has 255 for the range of the truth."""
    image, truth = z["amp_u"].astype(float), z["amp_t"].astype(float)
    data_range = float(np.ptp(truth))
    ours = psnr_db(image, truth, data_range)
    assert ours is not None
    parts = [Same(ours + 20 * np.log10(PEAK / data_range), z[key])]
    return Finding([Same(ours, z[key])], ("range_of_the_truth",), parts)


def scales_of_similarity(z: Vectors, key: str) -> Finding:
    """Theirs: box windows, every second pixel, means compared at all scales."""
    image, truth = (gaussian(z[name], 1.0, mode="reflect", truncate=4.0) for name in ("big_a", "big_b"))
    data_range = float(max(np.ptp(image), np.ptp(truth)))
    ours = [multi_scale_ssim(one, truth, data_range) for one in (image, truth)]
    product = 1.0
    for weight in SCALE_WEIGHTS:
        if min(image.shape) < SMALLEST_SCALE_PX:
            break
        product *= max(structural_similarity(image, truth, data_range=data_range), SMALLEST_SSIM) ** weight
        image, truth = image[::2, ::2], truth[::2, ::2]
    return Finding(
        (),
        ("published_multi_scale_similarity",),
        [
            Same(product, z[key]),
            Holds("ours is below 1 for them and 1 for equal images", ours[0] < 1 and abs(ours[1] - 1) < 1e-9),
        ],
    )
