"""A simulated scan from its options: `I = Poisson(g (sum_p |F(P_p O)|^2) + b)`."""

from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

import ptycho_torch.simulation.options as choice
from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.data.readers import open_scan
from ptycho_torch.errors import DataError
from ptycho_torch.evaluation.read import read_object
from ptycho_torch.physics.simulate import Complex, Real, complex_object, expected_counts
from ptycho_torch.simulation.objects import blobs, dead_leaves, line_grid, polyhedra, power_law_noise, straight_lines
from ptycho_torch.simulation.positions import (
    archimedean_spiral,
    fermat_spiral,
    random_positions,
    raster,
    record_positions,
)
from ptycho_torch.simulation.probes import add_modes, defocus, disk_probe, gaussian_probe, lens_probe

# Those of scikit-image that need no download.
TEST_IMAGES = (
    "astronaut", "brick", "camera", "cat", "cell", "clock", "coffee", "coins", "grass", "gravel", "horse", "moon",
    "page", "retina", "rocket", "shepp_logan_phantom", "text",
)  # fmt: skip


@attrs.frozen(eq=False, repr=False)
class Simulated:
    """A scan and its truth.

    counts `(n, N, N)` float32, zero frequency at `[N/2, N/2]`; position_yx, true_position_yx `(n, 2)`: recorded and
    true patch centres in object px; probe, true_probe `(P, N, N)` in the square root of counts, as the file holds it
    and as it was; truth, the object `(H, W)`; valid_pixels `(N, N)` bool, None where nothing is masked; pixel_m: side
    of an object pixel; options: of the simulation.
    """

    counts: NDArray[np.float32]
    position_yx: Real
    true_position_yx: Real
    probe: Complex
    true_probe: Complex
    truth: Complex
    valid_pixels: NDArray[np.bool_] | None
    pixel_m: float
    options: choice.Simulation

    def __repr__(self) -> str:
        (count, side, _), (height, width) = self.counts.shape, self.truth.shape
        return f"<Simulated scan: {count} patterns of {side} x {side} px, object of {height} x {width} px>"


def simulate(options: choice.Simulation) -> Simulated:
    """Simulate a scan; the same options give the same scan. Raises DataError for files of objects and probes that
    cannot be used."""
    # Object, positions, noise and errors stay the same where another of them changes.
    rng = [np.random.default_rng([options.seed, stream]) for stream in range(5)]
    truth = make_object(rng[0], options)
    modes = make_probe(options)
    true = make_positions(rng[1], options, truth.shape)
    detector = options.detector
    expected = expected_counts(truth, modes, true)
    scale = detector.photons / expected.sum(axis=(1, 2), dtype=np.float64).mean()
    exposure = scale * np.exp(rng[2].normal(0.0, detector.flux, len(true)))
    mean = expected * exposure[:, None, None] + detector.background
    counts = rng[2].poisson(mean) if detector.noise == "poisson" else mean
    valid = measured_pixels(rng[3], options)
    errors = options.errors
    recorded = record_positions(rng[4], true, errors.rms_px, errors.drift_px, errors.scale, errors.rotation_deg)
    line = options.beamline
    pixel = object_pixel_m(line.energy_ev * ELECTRONVOLT, line.distance_m, line.detector_pixel_m, options.N)
    probe = modes * np.sqrt(scale)
    return Simulated(
        counts=(counts * valid).astype(np.float32),
        position_yx=recorded,
        true_position_yx=true,
        probe=(guess_probe(modes, options) * np.sqrt(scale)).astype(np.complex64),
        true_probe=probe.astype(np.complex64),
        truth=truth,
        valid_pixels=valid if detector.mask and not valid.all() else None,
        pixel_m=pixel,
        options=options,
    )


def make_object(rng: np.random.Generator, options: choice.Simulation) -> Complex:
    """The object that the options describe, drawn by rng, complex64 `(H, W)`. Raises DataError."""
    if isinstance(options.object, choice.ObjectFile):
        found = np.asarray(read_object(options.object.path).values, np.complex64)
        if min(found.shape) < options.least_side_px:
            message = f"is {found.shape[0]} x {found.shape[1]} px, which has no room for patterns of {options.N} px"
            raise DataError(str(options.object.path), message, f"{options.least_side_px} px a side are needed")
        return found
    images = [structure(rng, options, part) for part in ("amplitude", "phase")]
    if options.one_material:
        images = [1.0 - images[1], images[1]]
    return complex_object(images[0], images[1], options.amplitude, options.phase_rad)


def structure(rng: np.random.Generator, options: choice.Simulation, part: str) -> NDArray[np.float64]:
    """The image `(side, side)` in [0, 1], drawn by rng, that the options have for a part, `amplitude` or `phase`."""
    side = options.side_px
    match options.object:
        case choice.DeadLeaves(leaves=leaves):
            made = dead_leaves(rng, side, leaves)
        case choice.Lines(lines=lines, width_px=width):
            made = straight_lines(rng, side, lines, width)
        case choice.GridLines(pitch_px=pitch, width_px=width, turn_deg=turn):
            made = line_grid(side, pitch, width, turn)
        case choice.Noise(form="power_law", exponent=exponent):
            made = power_law_noise(rng, side, exponent)
        case choice.Noise(form=form, size_px=size):
            made = blobs(rng, side, size, sharp=form == "grains")
        case choice.Polyhedra(crystals=crystals, size_px=size):
            made = polyhedra(rng, side, crystals, size)
        case choice.Images() as images:
            made = picture(images.amplitude if part == "amplitude" else images.phase, side)
        case choice.ObjectFile(path=path):
            raise TypeError(f"the object of {path} has no structure")
    return made


def picture(name: str, side: int) -> NDArray[np.float64]:
    """A test image of scikit-image by name, or a picture file, as grey values in [0, 1] `(side, side)`, the larger axis
    cropped to its middle. Raises DataError."""
    # Half a second, which a reconstruction of a file does not need.
    from skimage import data, io, transform
    from skimage.color import rgb2gray, rgba2rgb

    if Path(name).suffix:
        try:
            image = io.imread(name)
        except (OSError, ValueError) as error:
            raise DataError(name, f"is no picture that can be read: {error}", "give PNG, TIFF or JPEG") from None
    else:
        if name not in TEST_IMAGES:
            hint = f"give {', '.join(TEST_IMAGES)}, or a file with its ending"
            raise DataError(name, "is no test image that scikit-image brings along", hint)
        image = getattr(data, name)()
    if image.ndim == 3:
        image = rgb2gray(rgba2rgb(image) if image.shape[2] == 4 else image)
    shortest = min(image.shape)
    top, left = ((length - shortest) // 2 for length in image.shape)
    square = image[top : top + shortest, left : left + shortest].astype(np.float64)
    small = transform.resize(square, (side, side), anti_aliasing=True)
    return np.asarray((small - small.min()) / max(float(np.ptp(small)), 1e-12), np.float64)


def make_probe(options: choice.Simulation) -> Complex:
    """The modes `(P, N, N)` of unit energy together that the options describe. Raises DataError."""
    match options.probe:
        case choice.Lens(pupil=pupil, stop=stop, defocus_rad=phase, zernike_rad=zernike):
            first = lens_probe(options.N, pupil, stop, phase, zernike)
        case choice.Gaussian(rms_px=rms, curvature_rad=curvature):
            first = gaussian_probe(options.N, rms, curvature)
        case choice.ProbeFile(path=path):
            found = read_probe(path)
            if found.shape[-1] != options.N:
                message = f"its probe has {found.shape[-1]} px, patterns have {options.N} px"
                raise DataError(str(path), message, f"set N={found.shape[-1]}")
            return found
    return add_modes(first, options.modes, options.mode_power) if options.modes > 1 else first


def read_probe(path: Path) -> Complex:
    """The probe of the scan or .npy array at path as `(P, N, N)` of unit energy together. Raises DataError."""
    if path.suffix == ".npy":
        try:
            found = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(str(path), f"cannot be read: {error}") from None
    else:
        with open_scan(path) as scan:
            found = scan.probe
    if found is None:
        raise DataError(str(path), "has no probe", "give a scan with one, or an .npy array")
    modes = found[None] if found.ndim == 2 else found
    if modes.ndim != 3 or modes.shape[1] != modes.shape[2] or modes.dtype.kind != "c":
        hint = "give complex (N, N) or (modes, N, N)"
        raise DataError(str(path), f"its probe is {modes.dtype} of shape {found.shape}", hint)
    energy = np.linalg.norm(modes)
    if not np.isfinite(energy) or energy == 0:
        raise DataError(str(path), "its probe is 0, or holds NaN or infinite values")
    return np.asarray(modes / energy, np.complex64)


def guess_probe(modes: Complex, options: choice.Simulation) -> Complex:
    """The probe `(P, N, N)` that the file holds instead of the true modes, as the options have it."""
    match options.guess:
        case choice.Disk(factor=factor):
            return disk_probe(modes, factor)
        case choice.Defocused(defocus_rad=phase):
            return defocus(modes, phase)
    return modes


def make_positions(rng: np.random.Generator, options: choice.Simulation, shape: tuple[int, int]) -> Real:
    """Patch centres `(n, 2)` over an object of this shape, drawn by rng, as the options have them. Raises DataError."""
    middle = np.array(shape) / 2
    reach = min(shape) / 2 - options.N / 2 - options.margin_px - options.jitter_px
    match options.positions:
        case choice.Raster():
            places = raster(options.step_px, reach)
        case choice.Spiral():
            places = archimedean_spiral(options.step_px, reach)
        case choice.Fermat():
            places = fermat_spiral(options.step_px, reach)
        case choice.Random():
            places = random_positions(rng, options.step_px, reach)
    return middle + places + rng.uniform(-options.jitter_px, options.jitter_px, places.shape)


def measured_pixels(rng: np.random.Generator, options: choice.Simulation) -> NDArray[np.bool_]:
    """The pixels `(N, N)` of the detector that count: not those behind the beam stop, nor the dead ones, which are
    drawn by rng, of the options."""
    pixel = np.arange(options.N) - options.N // 2
    valid = np.hypot(pixel[:, None], pixel[None, :]) >= options.detector.beam_stop_px
    dead = rng.choice(options.N**2, min(options.detector.bad_pixels, options.N**2), replace=False)
    valid.ravel()[dead] = False
    return np.asarray(valid, np.bool_)
