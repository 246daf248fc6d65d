"""`ptycho convert`: the same scan in another format, with its units, or no file at all."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ptychodus.api.io import load_diffraction_data, load_product

from ptycho_torch.cli.main import main
from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.data.readers import open_scan, read_scan
from ptycho_torch.errors import DataError
from ptycho_torch.output.convert import convert_scan
from ptycho_torch.records import Dataset
from tests.faults.scans import good
from tests.layouts import SOURCE_1

MASK = np.zeros((64, 64), bool)
MASK[3, 5] = True


def _sources(layouts: Any, folder: Path) -> dict[str, Path]:
    detector = "entry_1/instrument_1/detector_1"
    cxi = layouts.cxi(**{f"{detector}/mask": MASK.astype(np.uint32)})
    nexus = layouts.nexus(**{f"{detector}/data": layouts.scan.counts.reshape(6, 6, 64, 64).astype(np.uint16)})
    layouts.write(folder / "product.h5", layouts.product(), {"photon_energy_eV": 8113.96})
    layouts.write(folder / "diffraction.h5", layouts.diffraction(bad_pixels=MASK))
    last = {
        "diff3d": np.moveaxis(layouts.scan.counts, 0, 2),
        "xcoords": layouts.scan.position_yx[:, 1],
        "ycoords": layouts.scan.position_yx[:, 0],
        "probeGuess": layouts.scan.probe,
    }
    np.savez(folder / "last.npz", **last)
    return {
        "cxi": layouts.write(folder / "a.cxi", cxi),
        "nexus": layouts.write(folder / "a.nxs", nexus),
        "ptyd": layouts.write(folder / "a.ptyd", layouts.ptyd()),
        "product": folder / "product.h5",
        "training data": layouts.write(folder / "a.h5", layouts.training_data()),
        "npz": folder / "last.npz",
    }


def _check_same(first: Dataset, second: Dataset) -> None:
    """Patterns, distances of positions, probe, mask, and what is known in metres."""
    np.testing.assert_array_equal(first.intensity[:], second.intensity[:])
    for one, other in ((first.position_yx, second.position_yx),):
        np.testing.assert_allclose(one - one[0], other - other[0], atol=1e-6)
    np.testing.assert_array_equal(first.probe, second.probe)
    masks = [np.ones((64, 64), bool) if one.valid_pixels is None else one.valid_pixels for one in (first, second)]
    np.testing.assert_array_equal(masks[0], masks[1])
    if first.geometry is None:
        assert second.geometry is None
        return
    assert second.geometry is not None
    assert second.pixel_m == pytest.approx(first.pixel_m)
    assert second.geometry.photon_energy_ev == pytest.approx(first.geometry.photon_energy_ev)
    assert second.geometry.distance_m == pytest.approx(first.geometry.distance_m)


@pytest.mark.parametrize("name", ["made.npz", "made.cxi", "made.ptyd", "made.h5", "product.h5"])
@pytest.mark.parametrize("kind", ["cxi", "nexus", "ptyd", "product", "training data", "npz"])
def test_a_scan_is_the_same_in_every_format(kind: str, name: str, layouts: Any, tmp_path: Path) -> None:
    """And back in NPZ; CXI and ptyd need the whole geometry."""
    source, target = _sources(layouts, tmp_path)[kind], tmp_path / "new" / name
    if name in {"made.cxi", "made.ptyd"} and kind not in {"cxi", "nexus", "ptyd"}:
        with pytest.raises(DataError, match=r"has no energy, distance or detector pixel, which (CXI|ptyd) needs"):
            convert_scan(source, target)
        assert not target.exists()
        return
    convert_scan(source, target)
    convert_scan(target, tmp_path / "back.npz")
    first = read_scan(source, "count_intensity")
    for made in (target, tmp_path / "back.npz"):
        _check_same(first, read_scan(made, "count_intensity"))
        assert open_scan(made).patterns.dtype == open_scan(source).patterns.dtype


@pytest.mark.parametrize("name", ["made.npz", "made.cxi", "made.ptyd", "made.h5", "product.h5", "made.emd"])
def test_metres_of_positions_survive(name: str, tmp_path: Path) -> None:
    """The same places in the laboratory in every format, and once more in NPZ, of a raster that starts anywhere."""
    rows, columns = np.divmod(np.arange(35), 7)
    scan = good()
    pixel_m = object_pixel_m(8000 * ELECTRONVOLT, 2.0, 75e-6, scan.probe.shape[-1])
    raster = {
        "diff3d": np.asarray(scan.intensity[:35], np.uint16),
        "xcoords": 41.25 + 3.0 * columns,
        "ycoords": 36.5 + 5.0 * rows,
        "probeGuess": scan.probe,
        "object_pixel_m": np.array([pixel_m, pixel_m]),
        "object_origin_m": np.array([3e-3, -2e-3]),
        "photon_energy_eV": 8000.0,
        "detector_distance_m": 2.0,
        "detector_pixel_size_m": 75e-6,
    }
    np.savez(tmp_path / "scan.npz", **raster)
    unsaid = pytest.warns(RuntimeWarning, match="EMD does not hold what the scan has: energy, distance, pixel of the")
    with unsaid if name.endswith("emd") else nullcontext():
        convert_scan(tmp_path / "scan.npz", tmp_path / "new" / name)
    convert_scan(tmp_path / "new" / name, tmp_path / "back.npz")
    wanted = np.array([3e-3, -2e-3]) + pixel_m * np.stack([raster["ycoords"], raster["xcoords"]], axis=1)
    for path in (tmp_path / "new" / name, tmp_path / "back.npz"):
        read = open_scan(path)
        assert read.geometry is not None
        places = read.geometry.origin_m + read.position_yx * np.array(read.geometry.pixel_m)
        np.testing.assert_allclose(places, wanted, rtol=1e-9)


def test_rasters_become_emd(layouts: Any, tmp_path: Path) -> None:
    """With steps and pixels in Angstrom, mask and probe; other positions, or without metres, are refused."""
    rows, columns = np.divmod(np.arange(36), 9)
    raster = {
        "diff3d": layouts.scan.counts.astype(np.uint16),
        "xcoords": 32 + 3.0 * columns,
        "ycoords": 32 + 5.0 * rows,
        "probeGuess": layouts.scan.probe,
        "bad_pixels": MASK,
        "object_pixel_m": np.array([2e-11, 3e-11]),
    }
    np.savez(tmp_path / "raster.npz", **raster)
    convert_scan(tmp_path / "raster.npz", tmp_path / "made.emd")
    made = open_scan(tmp_path / "made.emd")
    assert made.dialect == "EMD"
    _check_same(
        read_scan(tmp_path / "raster.npz", "count_intensity"), read_scan(tmp_path / "made.emd", "count_intensity")
    )
    np.savez(tmp_path / "jittered.npz", **(raster | {"xcoords": layouts.scan.position_yx[:, 1]}))
    np.savez(tmp_path / "pixels.npz", **{key: value for key, value in raster.items() if key != "object_pixel_m"})
    for name, reason in (("jittered", "are no raster with equal steps"), ("pixels", "has no pixel in m")):
        with pytest.raises(DataError, match=reason):
            convert_scan(tmp_path / f"{name}.npz", tmp_path / "other.emd")
        assert not (tmp_path / "other.emd").exists()


def test_large_counts_keep_every_digit(layouts: Any, tmp_path: Path) -> None:
    """float32 would round them."""
    counts = layouts.scan.counts.astype(np.uint32) + 2**24 + 1
    path = layouts.write(tmp_path / "a.h5", layouts.training_data(patterns=counts))
    convert_scan(path, tmp_path / "b.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npz")["diff3d"], counts)


def test_the_command(layouts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints what it wrote; refuses what is there, what has no known ending, and what cannot be used."""
    source = layouts.write(tmp_path / "a.cxi", layouts.cxi())
    target = tmp_path / "b.npz"
    assert main(["convert", str(source), str(target)]) == 0
    assert capsys.readouterr().out == f"wrote 36 patterns of 64 x 64 as NPZ: {target}\n"
    before = target.read_bytes()
    for name, reason in (("b.npz", "is there already"), ("b.tif", "has an ending that says no format")):
        assert main(["convert", str(source), str(tmp_path / name)]) == 2
        assert reason in capsys.readouterr().err
    assert target.read_bytes() == before
    bad = layouts.write(tmp_path / "bad.cxi", layouts.cxi(**{"entry_1/instrument_1/source_1/illumination": np.ones(3)}))
    assert main(["convert", str(bad), str(tmp_path / "c.npz")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cxi", "b.npz", "bad.cxi"]


def test_amplitudes_of_ptychopinn_do_not_become_counts(layouts: Any, tmp_path: Path) -> None:
    """Their name is kept in NPZ; the other formats would call them counts."""
    amplitude = np.sqrt(layouts.scan.counts) / 1e4
    y, x = layouts.scan.position_yx.T
    np.savez(tmp_path / "a.npz", diffraction=amplitude, xcoords=x, ycoords=y, probeGuess=layouts.scan.probe)
    convert_scan(tmp_path / "a.npz", tmp_path / "b.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "b.npz")["diffraction"], amplitude)
    with pytest.raises(DataError, match="seems to hold amplitudes"):
        convert_scan(tmp_path / "a.npz", tmp_path / "b.h5")


def test_a_scan_without_a_probe_stays_one(layouts: Any, tmp_path: Path) -> None:
    """In every format but the product, which needs one, and of which nothing is left."""
    source = layouts.write(tmp_path / "a.cxi", layouts.cxi(**{f"{SOURCE_1}/illumination": None}))
    for name in ("made.npz", "made.cxi", "made.h5"):
        assert convert_scan(source, tmp_path / name).probe is None
        np.testing.assert_array_equal(open_scan(tmp_path / name).patterns[...], layouts.scan.counts)
    with pytest.raises(DataError, match="has no probe, which a product needs"):
        convert_scan(source, tmp_path / "pair" / "product.h5")
    assert list((tmp_path / "pair").iterdir()) == []


def test_ptychodus_reads_the_pair(layouts: Any, tmp_path: Path) -> None:
    """Patterns, mask, positions in metres, pixel, energy and distance are those of the scan."""
    source = _sources(layouts, tmp_path)["cxi"]
    convert_scan(source, tmp_path / "pair" / "product.h5")
    read, made = read_scan(source, "count_intensity"), load_product(tmp_path / "pair" / "product.h5")
    assert read.geometry is not None
    patterns = load_diffraction_data(tmp_path / "pair" / "diffraction.h5")
    np.testing.assert_array_equal(patterns.get_patterns(), read.intensity[:])
    np.testing.assert_array_equal(patterns.get_bad_pixels(), MASK)
    places = [(point.y_m, point.x_m) for point in made.probe_positions]
    np.testing.assert_allclose(places, read.geometry.origin_m + read.position_yx * read.geometry.pixel_m, rtol=1e-9)
    assert made.metadata.photon_energy_eV == pytest.approx(read.geometry.photon_energy_ev)
    assert made.metadata.detector_distance_m == pytest.approx(read.geometry.distance_m)


def test_surplus_positions_are_not_converted(tmp_path: Path) -> None:
    """With a warning that names what is left out; the number of photons is kept."""
    scan = good()
    y, x = scan.position_yx.T
    arrays = {"diff3d": scan.intensity[1:], "xcoords": x, "ycoords": y, "probeGuess": scan.probe}
    np.savez(tmp_path / "a.npz", **arrays, _metadata=np.array('{"physics_parameters": {"nphotons": 5}}'))
    with pytest.warns(RuntimeWarning, match="the first 1 and the last 0 positions are not used"):
        made = convert_scan(tmp_path / "a.npz", tmp_path / "b.npz")
    np.testing.assert_array_equal(made.position_yx, scan.position_yx[1:])
    assert made.nphotons == 5
