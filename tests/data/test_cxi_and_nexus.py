"""CXI, NXcxi_ptycho and ptyd: metres, energies and directions become pixels of a far-field object."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptycho_torch.data.formats.views import Raster
from ptycho_torch.data.geometry import ELECTRONVOLT, PLANCK_TIMES_LIGHT, far_field, near_field_reason, object_pixel_m
from ptycho_torch.data.readers import open_scan, read_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.errors import DataError
from ptycho_torch.records import Geometry

DETECTOR, SOURCE = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
TRANSLATION = "entry_1/sample_1/geometry_1/translation"
FILES = {"cxi": "scan.cxi", "nexus": "scan.nxs", "ptyd": "scan.ptyd"}


@pytest.mark.parametrize("kind", FILES)
def test_every_layout_gives_the_same_scan(kind: str, layouts: Any, tmp_path: Path) -> None:
    """Patterns, positions up to where the object starts, probe, and the geometry in SI and eV."""
    path = layouts.write(tmp_path / FILES[kind], getattr(layouts, kind)())
    read = read_scan(path, "count_intensity")
    np.testing.assert_array_equal(read.intensity[:], layouts.scan.counts)
    np.testing.assert_allclose(read.position_yx, layouts.from_corner, atol=1e-6)
    np.testing.assert_array_equal(read.probe, layouts.scan.probe)
    assert read.geometry is not None
    assert read.pixel_m == pytest.approx((layouts.pixel, layouts.pixel))
    assert read.geometry.photon_energy_ev == pytest.approx(8113.96, rel=1e-6)
    assert read.geometry.distance_m == pytest.approx(layouts.distance)
    assert read.valid_pixels is None


def test_the_pixel_of_an_object() -> None:
    """8 keV over 2 m on 64 pixels of 75 um: 0.155 nm times 2 m over 4.8 mm."""
    energy = PLANCK_TIMES_LIGHT / 1.5498e-10
    assert object_pixel_m(energy, 2.0, 75e-6, 64) == pytest.approx(1.5498e-10 * 2 / 4.8e-3)


def test_positions_follow_the_directions_of_the_detector(layouts: Any, tmp_path: Path) -> None:
    """Default directions said aloud change nothing, opposite ones turn the scan round, and a detector
    whose rows run along x exchanges the axes."""
    plain = layouts.from_corner
    turned = layouts.from_corner.max(axis=0) - layouts.from_corner + 32
    step = layouts.detector
    for basis, expected in (
        ([[0, -step], [-step, 0], [0, 0]], plain),
        ([[0, step], [step, 0], [0, 0]], turned),
        ([[-step, 0], [0, -step], [0, 0]], plain[:, ::-1]),
    ):
        entries = layouts.cxi(**{f"{DETECTOR}/basis_vectors": np.array(basis, float)})
        read = read_scan(layouts.write(tmp_path / "scan.cxi", entries), "count_intensity")
        np.testing.assert_allclose(read.position_yx, expected, atol=1e-6)


def test_a_wrong_sign_of_the_motion_would_be_seen(layouts: Any, tmp_path: Path) -> None:
    """Translations of the beam instead of the sample mirror the positions."""
    entries = layouts.cxi(**{TRANSLATION: -layouts.translation()})
    read = read_scan(layouts.write(tmp_path / "scan.cxi", entries), "count_intensity")
    assert not np.allclose(read.position_yx, layouts.from_corner, atol=1.0)


def test_other_places_of_the_same_facts(layouts: Any, tmp_path: Path) -> None:
    """A wavelength for an energy, translations beside the data, a probe that ptychodus put there."""
    entries = layouts.cxi(
        **{
            f"{SOURCE}/energy": None,
            f"{SOURCE}/wavelength": PLANCK_TIMES_LIGHT / layouts.energy_j,
            f"{SOURCE}/illumination": None,
            TRANSLATION: None,
            "entry_1/data_1/translation": layouts.translation(),
            "entry_1/image_1/data": layouts.scan.probe,
            "entry_1/ptychodus/comments": 1,
        }
    )
    read = read_scan(layouts.write(tmp_path / "scan.cxi", entries), "count_intensity")
    np.testing.assert_allclose(read.position_yx, layouts.from_corner, atol=1e-6)
    np.testing.assert_array_equal(read.probe, layouts.scan.probe)


DIALECTS: dict[str, Any] = {
    "units": lambda made: {
        f"{SOURCE}/energy": (made.energy_j / ELECTRONVOLT / 1e3, {"units": "keV"}),
        f"{DETECTOR}/distance": (made.distance * 1e3, {"units": "mm"}),
        TRANSLATION: (made.translation() * 1e6, {"units": "um"}),
    },
    "plane": lambda made: {TRANSLATION: made.translation()[:, :2]},
    "columns": lambda made: {TRANSLATION: made.translation().T},
    "COSMIC": lambda made: {f"{SOURCE}/illumination": None, f"{SOURCE}/probe": made.scan.probe},
    "one mask a frame": lambda _: {f"{DETECTOR}/mask": np.zeros((36, 64, 64), np.uint32)},
}


@pytest.mark.parametrize("name", DIALECTS)
def test_dialects_of_cxi_are_the_same_scan(name: str, layouts: Any, tmp_path: Path) -> None:
    """Lengths with units, translations without z or by columns, the probe elsewhere."""
    path = layouts.write(tmp_path / "scan.cxi", layouts.cxi(**DIALECTS[name](layouts)))
    read = read_scan(path, "count_intensity")
    np.testing.assert_allclose(read.position_yx, layouts.from_corner, atol=1e-6)
    np.testing.assert_array_equal(read.probe, layouts.scan.probe)
    assert read.pixel_m == pytest.approx((layouts.pixel, layouts.pixel))


def test_an_energy_in_electronvolt_is_no_joule(layouts: Any, tmp_path: Path) -> None:
    """Asked for, not guessed."""
    path = layouts.write(tmp_path / "scan.cxi", layouts.cxi(**{f"{SOURCE}/energy": 8000.0}))
    with pytest.raises(DataError, match="is 8000, which CXI states in joules; is it in eV"):
        open_scan(path)


def test_a_raster_of_nexus_is_a_list_of_frames(layouts: Any, tmp_path: Path) -> None:
    """Rank 4 is flattened line by line and stays in the file; the view of CXI is preferred."""
    raster = layouts.scan.counts.reshape(6, 6, 64, 64)
    path = layouts.write(tmp_path / "scan.nxs", layouts.nexus(**{f"{DETECTOR}/data": raster}))
    with open_scan(path) as scan:
        assert isinstance(scan.patterns, Raster)
        np.testing.assert_array_equal(scan.patterns[np.array([2, 5, 6, 35])], layouts.scan.counts[[2, 5, 6, 35]])
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity[:], layouts.scan.counts)
    view = layouts.nexus(**{f"{DETECTOR}/data": raster, "entry_1/data_1/data": layouts.scan.counts})
    assert open_scan(layouts.write(path, view)).key == "entry_1/data_1/data"


def test_a_channel_of_one_is_no_axis(layouts: Any, tmp_path: Path) -> None:
    """(n, N, N, 1) are n patterns of N x N."""
    counts = layouts.scan.counts
    path = layouts.write(tmp_path / "scan.cxi", layouts.cxi(**{"entry_1/data_1/data": counts[..., None]}))
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity[:], counts)


CHUNK = "chunks/9"
WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no energy": ("cxi", {f"{SOURCE}/energy": 0.0}, "source_1/energy must be one number above 0"),
    "no patterns": ("cxi", {f"{DETECTOR}/data": None}, "has none of entry_1/data_1/data, entry_1/instrument"),
    "flat motion": ("cxi", {TRANSLATION: np.ones((36, 4))}, r"translation must be \(n, 3\)"),
    "lost": ("cxi", {TRANSLATION: np.full((36, 3), np.nan)}, "hold NaN or infinite"),
    "no directions": ("cxi", {f"{DETECTOR}/basis_vectors": np.zeros((3, 2))}, "must be two vectors"),
    "cxi without probe": (
        "cxi",
        {f"{SOURCE}/illumination": None},
        r"has no probe \(looked for .*illumination, .*probe\) .*add a complex dataset `probe`",
    ),
    "no units": ("nexus", {f"{DETECTOR}/distance": 2.0}, "distance has the units ''"),
    "odd units": ("nexus", {f"{DETECTOR}/distance": (2.0, {"units": "inch"})}, "has the units 'inch'"),
    "ring energy": ("nexus", {"entry_1/instrument_1/beam_1/energy": (3.0, {"units": "GeV"})}, "units 'GeV'"),
    "nexus without probe": ("nexus", {"probe": None}, "has no probe"),
    "ptyd without probe": ("ptyd", {"probe": None}, "has no probe"),
    "no distance": ("ptyd", {"meta/distance": None}, "has no meta/distance"),
    "three pixels": ("ptyd", {"meta/psize": np.ones(3)}, "psize must be one or two lengths"),
    "declared": ("ptyd", {"meta/propagation": "nearfield"}, "its propagation is 'nearfield'"),
    "no positions": ("ptyd", {f"{CHUNK}/positions": np.ones((20, 3))}, r"chunks/9/positions must be \(n, 2\)"),
    "short chunk": ("ptyd", {f"{CHUNK}/data": np.ones((19, 64, 64))}, "36 positions for 35 patterns"),
    "mixed frames": ("ptyd", {f"{CHUNK}/data": np.ones((20, 32, 32))}, "frames of different size"),
    "a named chunk": ("ptyd", {"chunks/last/data": np.ones(3)}, "chunks must have numbers as names"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named(name: str, layouts: Any, tmp_path: Path) -> None:
    """The field, what it is, and what it should be; nothing is assumed for what is missing."""
    kind, changes, reason = WRONG[name]
    path = layouts.write(tmp_path / FILES[kind], getattr(layouts, kind)(**changes))
    with pytest.raises(DataError, match=reason):
        read_scan(path, "count_intensity")


def test_what_is_left_out_is_a_warning(layouts: Any, tmp_path: Path) -> None:
    """A dark frame, frames still to come, weights that are not 0 or 1."""
    dark = layouts.cxi(**{f"{DETECTOR}/data_dark": np.ones((64, 64))})
    with pytest.warns(RuntimeWarning, match=r"scan\.cxi: data_dark is not subtracted"):
        read_scan(layouts.write(tmp_path / "scan.cxi", dark), "count_intensity")
    for changes, reason in (
        ({"meta/num_frames": 40}, "it holds 36 of 40 frames"),
        ({f"{CHUNK}/weights": np.full((20, 64, 64), 0.5)}, "weights between 0 and 1"),
    ):
        path = layouts.write(tmp_path / "scan.ptyd", layouts.ptyd(**changes))
        with pytest.warns(RuntimeWarning, match=reason):
            read_scan(path, "count_intensity")


def test_a_chunk_in_another_file_is_followed_or_missed(layouts: Any, tmp_path: Path) -> None:
    """Chunks that are written on the fly are links of the file of ptypy."""
    entries = layouts.ptyd()
    linked = {name: entries.pop(name) for name in list(entries) if name.startswith("chunks/10/")}
    path = layouts.write(tmp_path / "scan.ptyd", entries)
    renamed = {name.replace("chunks/10", "frames"): entry for name, entry in linked.items()}
    layouts.write(tmp_path / "part.h5", renamed)
    with h5py.File(path, "a") as file:
        file["chunks/10"] = h5py.ExternalLink("part.h5", "frames")
    np.testing.assert_array_equal(read_scan(path, "count_intensity").intensity[:], layouts.scan.counts)
    (tmp_path / "part.h5").unlink()
    with pytest.raises(DataError, match=r"chunks/10 is a link to part\.h5:frames, which is not there"):
        read_scan(path, "count_intensity")


@pytest.mark.parametrize("side", [64, 51])
def test_the_first_patch_starts_at_pixel_0(side: int) -> None:
    """For even and odd N, and metres come back from pixels."""
    metres = np.array([[1e-6, 3e-6], [2e-6, 2e-6]])
    known: dict[str, Any] = {"energy_j": 1e-15, "distance_m": 2.0, "detector_pixel_m": (75e-6, 75e-6)}
    position, geometry = far_field(metres, frame=(side, side), **known)
    np.testing.assert_allclose(position.min(axis=0) - side // 2, 0.0, atol=1e-9)
    np.testing.assert_allclose(geometry.origin_m + position * geometry.pixel_m, metres, rtol=1e-9)


@given(st.floats(0.01, 100), st.floats(1e-7, 1e-4), st.sampled_from([32, 64, 128, 1024]))
def test_the_far_field_is_refused_exactly_where_its_pixel_exceeds_the_detectors(
    distance: float, detector: float, side: int
) -> None:
    """`lambda z / (N p) > p`, the critical distance `z = N p^2 / lambda` of the single transform."""
    energy = PLANCK_TIMES_LIGHT / 1e-10
    pixel = object_pixel_m(energy, distance, detector, side)
    geometry = Geometry((pixel, pixel), (0.0, 0.0), 1.0, distance, (detector, detector))
    position = np.arange(4.0)[:, None] * np.ones(2)
    near = near_field_reason(geometry, position, (side, side)) is not None
    assert near == (1e-10 * distance > side * detector**2) or np.isclose(pixel, detector, rtol=1e-6)


def test_a_detector_close_behind_the_sample_is_refused(layouts: Any, tmp_path: Path) -> None:
    """Pixels of 0.65 um, 1 m away, would see the object more coarsely than its shadow."""
    sizes = {f"{DETECTOR}/{name}": 6.5e-7 for name in ("x_pixel_size", "y_pixel_size")}
    path = layouts.write(tmp_path / "scan.cxi", layouts.cxi(**sizes, **{f"{DETECTOR}/distance": 1.0}))
    with pytest.raises(DataError, match="the detector is in the near field of the sample"):
        read_scan(path, "count_intensity")


def test_an_experimental_scan_of_the_near_field_is_refused() -> None:
    """PETRA III P25 (doi 10.5281/zenodo.17899482): everything is told, then why it is of no use here."""
    path = Path(os.environ.get("PTYCHO_TEST_DATA", "nowhere")) / "petra_p25_nearfield.cxi"
    if not path.is_file():
        pytest.skip("set PTYCHO_TEST_DATA to the folder that holds petra_p25_nearfield.cxi")
    scan = open_scan(path)
    assert (scan.count, scan.frame) == (200, (100, 100))
    assert scan.geometry is not None
    assert scan.geometry.pixel_m == pytest.approx((1.995e-8, 1.995e-8), rel=1e-3)
    assert scan.valid_pixels is not None
    assert (~scan.valid_pixels).sum() == 5
    assert "12.66 keV" in describe(scan)
    with pytest.raises(DataError, match="either it is of the near field"):
        read_scan(path, "count_intensity")
