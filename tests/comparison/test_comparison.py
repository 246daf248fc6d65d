"""Comparing objects: shifts are found with their sign, equal images are equal, noise is noise."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from ptycho_torch.cli import main as umbrella
from ptycho_torch.comparison import compare, fourier_ring_correlation, read_object
from ptycho_torch.comparison.fourier_ring import cutoff, half_bit
from ptycho_torch.comparison.registration import find_shift, overlap, shifted
from ptycho_torch.comparison.similarity import multi_scale_ssim, similarity
from ptycho_torch.errors import DataError
from ptycho_torch.physics.simulate import natural_object
from ptycho_torch.product import write_reconstruction
from ptycho_torch.records import Canvas

GOLDEN = np.load(Path(__file__).parents[1] / "parity" / "physics" / "frc.npz")
OBJECT = natural_object("camera", "coins", 96)


def _noise(seed: int, shape: tuple[int, int] = (64, 64)) -> NDArray[np.complex128]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def _blurred(width: float) -> NDArray[np.complex128]:
    return gaussian_filter(OBJECT.real, width) + 1j * gaussian_filter(OBJECT.imag, width)


def test_the_ring_correlation_is_the_golden_one() -> None:
    """Rings, curve, frequency axis and cut-offs of the replaced system."""
    rings = fourier_ring_correlation(GOLDEN["target"], GOLDEN["pred"])
    np.testing.assert_allclose(rings.correlation, GOLDEN["fsc"], rtol=1e-6)
    np.testing.assert_allclose(2 * rings.frequency, GOLDEN["x_nyquist"], rtol=1e-6)
    assert cutoff(rings.correlation, 0.5) == pytest.approx(float(GOLDEN["cut50"]))
    assert cutoff(rings.correlation, 1 / 7) == pytest.approx(float(GOLDEN["cut17"]))


def test_equal_images_correlate_and_noise_does_not() -> None:
    """1 on every ring; below half a bit of information on most."""
    same = fourier_ring_correlation(_noise(0), 3j * _noise(0))
    np.testing.assert_allclose(same.correlation, 1.0)
    other = fourier_ring_correlation(_noise(0), _noise(1))
    inner = slice(2, 33)
    assert (other.correlation[inner] < half_bit(other.count[inner])).mean() > 0.95


def test_a_curve_is_cut_between_its_rings() -> None:
    """By linear interpolation; never, or at once."""
    assert cutoff(np.array([1.0, 0.8, 0.4, 0.9]), 0.5) == pytest.approx(1.75)
    assert cutoff(np.array([0.4, 0.9]), 0.5) == 0.0
    assert cutoff(np.array([0.9, 0.9]), 0.5) == 2.0


@given(st.floats(-4, 4), st.floats(-4, 4))
def test_a_shift_is_found_with_its_sign(y: float, x: float) -> None:
    """To a hundredth of a pixel, also where it is no whole number."""
    truth = gaussian_filter(_noise(3).real, 1.5) + 1j * gaussian_filter(_noise(3).imag, 1.5)
    moved = shifted(truth, np.array([-y, -x]))
    np.testing.assert_allclose(find_shift(moved, truth), (y, x), atol=0.011)


def test_a_shift_with_the_wrong_sign_would_be_seen() -> None:
    """Moving an image the other way makes it worse, not better."""
    truth = OBJECT
    moved = shifted(truth, np.array([1.3, -0.7]))
    back = shifted(moved, find_shift(moved, truth))
    worse = shifted(moved, -find_shift(moved, truth))
    assert np.abs(back - truth).mean() < 0.2 * np.abs(worse - truth).mean()


@given(st.floats(0.3, 3.0), st.floats(-3.0, 3.0), st.floats(-0.02, 0.02))
def test_factor_phase_and_ramp_do_not_count(factor: float, phase: float, slope: float) -> None:
    """They are what a reconstruction does not know."""
    ramp = np.exp(1j * (phase + slope * np.arange(96)[:, None]))
    figures = compare(factor * ramp * OBJECT, OBJECT).figures
    assert figures["contrast"] > 0.9999
    assert figures["amplitude"]["mae"] < 1e-3
    assert figures["phase"]["mae"] < 2e-3
    assert figures["resolution_px"]["half_bit"] == 1.0


def test_blur_costs_resolution_and_similarity() -> None:
    """All figures order three degrees of blur alike."""
    soft = [
        gaussian_filter(OBJECT.real, width) + 1j * gaussian_filter(OBJECT.imag, width)
        for width in (0.5, 1.5, 4.0)
    ]
    found = [compare(image, OBJECT).figures for image in soft]
    for worse, better in ((1, 0), (2, 1)):
        assert found[worse]["detail"] < found[better]["detail"]
        for part in ("amplitude", "phase"):
            for name in ("ssim", "psnr", "ms_ssim"):
                assert found[worse][part][name] < found[better][part][name], (part, name)


def test_similarities_are_those_of_the_library() -> None:
    """SSIM and PSNR over the range of the truth."""
    truth = np.abs(OBJECT)
    image = truth + 0.05 * _noise(1, (96, 96)).real
    made = similarity(image - truth, image, truth)
    span = float(np.ptp(truth))
    assert made["ssim"] == pytest.approx(float(structural_similarity(image, truth, data_range=span)))
    error = float(np.square(image - truth).mean())
    assert made["psnr"] == pytest.approx(10 * np.log10(span**2 / error))
    assert multi_scale_ssim(truth, truth, span) == pytest.approx(1.0)


def test_a_wrapped_phase_is_no_difference() -> None:
    """Phases just below pi and just above minus pi are close."""
    base = np.exp(1j * (np.pi - 0.01)) * OBJECT
    assert compare(base, OBJECT).figures["phase"]["mae"] < 1e-3


def test_known_origins_decide_what_is_compared() -> None:
    """Two windows of one object meet where they overlap; apart they are refused."""
    one, other = overlap(OBJECT[:60, :70], OBJECT[20:, 30:], (0, 0), (20, 30))
    assert np.array_equal(one, other)
    with pytest.raises(ValueError, match="do not overlap"):
        overlap(OBJECT, OBJECT, (0, 0), (500, 0))


def _files(folder: Path) -> dict[str, Path]:
    image = _blurred(1.0)
    write_reconstruction(
        folder / "reconstruction.npz",
        Canvas(image[10:80, 10:80].astype(np.complex64), np.ones((70, 70), np.float32), (10, 10)),
    )
    np.savez(folder / "scan.npz", objectGuess=OBJECT.astype(np.complex64), diff3d=np.ones((1, 8, 8)))
    np.save(folder / "plain.npy", OBJECT)
    with h5py.File(folder / "product.h5", "w") as product:
        stored = product.create_dataset("object", data=OBJECT[None])
        stored.attrs.update(
            {"center_x_m": 48e-9, "center_y_m": 48e-9, "pixel_width_m": 1e-9, "pixel_height_m": 1e-9}
        )
    return {path.stem: path for path in folder.iterdir()}


def test_objects_are_read_from_their_files(tmp_path: Path) -> None:
    """With their place, where the file says."""
    files = _files(tmp_path)
    origins = {name: read_object(path).origin_yx for name, path in files.items()}
    assert origins == {"reconstruction": (10, 10), "scan": (0, 0), "plain": None, "product": (0, 0)}


BAD: dict[str, Any] = {
    "a text": (b"hello, world", "is neither HDF5 nor NPZ nor NPY"),
    "nothing": (None, "no such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_refused(name: str, tmp_path: Path) -> None:
    """The message says what it is and what is wanted."""
    content, reason = BAD[name]
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_object(tmp_path / "x")


@pytest.mark.parametrize(
    "array", [np.ones((4, 4)), np.ones((2, 4, 4), complex), np.full((4, 4), np.nan + 0j)]
)
def test_what_is_no_object_is_refused(array: NDArray[Any], tmp_path: Path) -> None:
    """Real, layered, or not finite."""
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match="its object"):
        read_object(tmp_path / "x.npy")


def test_the_command_prints_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table or JSON; files only where a folder is given."""
    files = _files(tmp_path)
    pair = [str(files["reconstruction"]), str(files["scan"])]
    assert umbrella.main(["evaluate", *pair]) == 0
    assert "amplitude ssim" in capsys.readouterr().out
    assert umbrella.main(["evaluate", *pair, "--json", "--output_dir", str(tmp_path / "out")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert printed["shape"] == [66, 66]
    assert (tmp_path / "out" / "comparison.png").stat().st_size > 20_000
    assert umbrella.main(["evaluate", pair[0], str(tmp_path / "none.npz")]) == 2
    assert "no such file" in capsys.readouterr().err
