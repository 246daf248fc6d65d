"""HDF5 files of unknown origin: nothing outside their folder is read, and no memory is taken for what is not there."""

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from ptycho_torch.data.checks import check_scan
from ptycho_torch.data.formats import hdf5_trial
from ptycho_torch.data.raw import RawScan
from ptycho_torch.data.readers import digests, open_scan, read_scan
from ptycho_torch.data.summary import describe
from ptycho_torch.errors import DataError


@pytest.fixture
def elsewhere(layouts: Any, tmp_path: Path) -> Path:
    """Patterns in another folder than that of the scan."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "secret").mkdir()
    return layouts.write(tmp_path / "secret" / "part.h5", {"frames": layouts.scan.counts})  # type: ignore[no-any-return]


@pytest.mark.parametrize("relative", ["relative", "absolute"])
@pytest.mark.parametrize("kind", ["link", "virtual"])
def test_a_file_outside_of_the_folder_is_not_opened(kind: str, relative: str, elsewhere: Path, layouts: Any) -> None:
    """Through a link or a virtual dataset, by a relative or an absolute name."""
    path = elsewhere.parents[1] / "scans" / "scan.h5"
    name = "../secret/part.h5" if relative == "relative" else str(elsewhere)
    layouts.write(path, layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        if kind == "link":
            file["patterns"] = h5py.ExternalLink(name, "frames")
        else:
            virtual = h5py.VirtualLayout((36, 64, 64), np.float32)
            virtual[:] = h5py.VirtualSource(name, "frames", (36, 64, 64))
            file.create_virtual_dataset("patterns", virtual)
    with pytest.raises(DataError, match=r"part\.h5, outside of its folder \(copy all its files into its folder"):
        open_scan(path)


def test_a_link_of_the_file_system_does_not_lead_out(elsewhere: Path, layouts: Any) -> None:
    """The file is within the folder by name only."""
    path = elsewhere.parents[1] / "scans" / "scan.h5"
    (path.parent / "part.h5").symlink_to(elsewhere)
    layouts.write(path, layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        file["patterns"] = h5py.ExternalLink("part.h5", "frames")
    with pytest.raises(DataError, match="outside of its folder"):
        open_scan(path)


def test_a_scan_behind_a_link_of_the_file_system_has_its_files_where_it_is(layouts: Any, tmp_path: Path) -> None:
    """As beamlines link their scans: the other files lie next to the real one."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "mine").mkdir()
    path = layouts.write(tmp_path / "raw" / "scan.h5", layouts.training_data(patterns=None))
    layouts.write(tmp_path / "raw" / "part.h5", {"frames": layouts.scan.counts})
    with h5py.File(path, "a") as file:
        file["patterns"] = h5py.ExternalLink(str(tmp_path / "raw" / "part.h5"), "frames")
    (tmp_path / "mine" / "scan.h5").symlink_to(path)
    np.testing.assert_array_equal(
        read_scan(tmp_path / "mine" / "scan.h5", "count_intensity").intensity, layouts.scan.counts
    )


def test_raw_bytes_of_another_file_are_no_patterns(layouts: Any, elsewhere: Path) -> None:
    """External storage would show any file as counts."""
    path = elsewhere.parents[1] / "scans" / "scan.h5"
    size = 36 * 64 * 64
    elsewhere.with_name("bytes").write_bytes(bytes(size))
    layouts.write(path, layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        external = [(str(elsewhere.with_name("bytes")), 0, size)]
        file.create_dataset("patterns", (36, 64, 64), np.uint8, external=external)
    with pytest.raises(DataError, match=r"takes its values from .*bytes, outside of its folder"):
        open_scan(path)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        ("patterns", (36, 64000, 64000), "declares 275 GiB, of which the file holds 0 bytes"),
        ("probe", (40000, 40000), "declares .* GiB, of which the file holds 0 bytes"),
        ("bad_pixels", (200000, 64, 64), "declares .* GiB, of which the file holds 0 bytes"),
    ],
)
def test_what_is_only_declared_takes_no_memory(
    name: str, shape: tuple[int, ...], reason: str, layouts: Any, tmp_path: Path
) -> None:
    """A few hundred bytes of a file that claim gigabytes."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data(**{name: None}))
    with h5py.File(path, "a") as file:
        file.create_dataset(name, shape, np.uint16, chunks=(1, *shape[1:]) if len(shape) == 3 else (100, 100))
    tracemalloc.start()
    with pytest.raises(DataError, match=reason):
        open_scan(path)
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_patterns_larger_than_any_detector_are_refused() -> None:
    """Before one is read."""
    frames = np.broadcast_to(np.uint8(1), (36, 9000, 9000))
    scan = RawScan(Path("scan"), "any", "patterns", frames, np.zeros((36, 2)), None)
    with pytest.raises(DataError, match="has patterns of 9000 x 9000"):
        check_scan(scan)


@pytest.mark.parametrize("name", ["Bitshuffle", "LZ4", "Blosc", "Zstd"])
def test_filters_of_detectors(name: str, layouts: Any, tmp_path: Path) -> None:
    """Real compressed chunks, read whole and in parts."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data(patterns=None))
    counts = layouts.scan.counts.astype(np.uint32)
    with h5py.File(path, "a") as file:
        file.create_dataset("patterns", data=counts, chunks=(1, 64, 64), **getattr(hdf5plugin, name)())
        assert file["patterns"].id.get_create_plist().get_nfilters() == 1
        assert file["patterns"].id.get_storage_size() < counts.nbytes
    for in_memory in (0, 2**30):
        read = read_scan(path, "count_intensity", in_memory=in_memory)
        np.testing.assert_array_equal(read.intensity[:], counts)
    assert "36 of 64 x 64, uint32" in describe(open_scan(path))


def _link_to_itself(file: h5py.File) -> None:
    file["patterns"] = h5py.SoftLink("/patterns")


def _external_link_to_itself(file: h5py.File) -> None:
    file["patterns"] = h5py.ExternalLink("scan.h5", "/patterns")


def _made_of_itself(file: h5py.File) -> None:
    for name, other in (("patterns", "more"), ("more", "patterns")):
        layout = h5py.VirtualLayout((36, 64, 64), np.float32)
        layout[:] = h5py.VirtualSource("scan.h5", other, (36, 64, 64))
        file.create_virtual_dataset(name, layout)


def _group_in_itself(file: h5py.File) -> None:
    file["patterns"] = file["/"]


def _mostly_empty(file: h5py.File) -> None:
    file["part"] = np.ones((1, 64, 64), np.float32)
    layout = h5py.VirtualLayout((10**6, 64, 64), np.float32)
    layout[:1] = h5py.VirtualSource("scan.h5", "part", (1, 64, 64))
    file.create_virtual_dataset("patterns", layout)


def _through_a_pipe(file: h5py.File) -> None:
    os.mkfifo(Path(file.filename).with_name("pipe.h5"))
    file["patterns"] = h5py.ExternalLink("pipe.h5", "x")


def _from_a_pipe(file: h5py.File) -> None:
    pipe = Path(file.filename).with_name("pipe.h5")
    os.mkfifo(pipe)
    file.create_dataset("patterns", (36, 64, 64), np.uint8, external=[(str(pipe), 0, 36 * 64**2)])


TRAPS = {
    _link_to_itself: "patterns",
    _external_link_to_itself: "patterns",
    _made_of_itself: "is made of parts that are made of each other",
    _group_in_itself: "patterns must be an array",
    _mostly_empty: "declares 15.3 GiB, its parts have",
    _through_a_pipe: "is no regular file but a pipe",
    _from_a_pipe: "is no regular file but a pipe",
}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_cycles_pipes_and_empty_space_are_refused(
    trap: Callable[[h5py.File], None], layouts: Any, tmp_path: Path
) -> None:
    """Without a hang, a crash, or memory."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data(patterns=None))
    with h5py.File(path, "a") as file:
        trap(file)
    with pytest.raises(DataError, match=TRAPS[trap]):
        open_scan(path)


@pytest.mark.parametrize("name", ["scan.h5", "scan.npz", "scan.yaml"])
def test_a_pipe_and_a_device_are_no_scan(name: str, tmp_path: Path) -> None:
    """Nobody waits for what is never written."""
    os.mkfifo(tmp_path / name)
    for path in (tmp_path / name, Path("/dev/zero")):
        with pytest.raises(DataError, match="is no regular file but a pipe, socket or device"):
            open_scan(path)


def test_a_file_that_is_not_complete_is_called_that(layouts: Any, tmp_path: Path) -> None:
    """An archive without its end, and a file that another program has open for writing."""
    y, x = layouts.scan.position_yx.T
    path = tmp_path / "scan.npz"
    np.savez(path, diff3d=layouts.scan.counts, xcoords=x, ycoords=y, probeGuess=layouts.scan.probe)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="is still growing, or was copied in part: an archive ends with"):
        open_scan(path)
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'a'); print(1, flush=True); input()"
    open_elsewhere = layouts.write(tmp_path / "scan.h5", layouts.training_data())
    command = [sys.executable, "-c", code, str(open_elsewhere)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(DataError, match="is being written by another program"):
            open_scan(open_elsewhere)
        writer.communicate(b"\n")


def _blank_heap(path: Path) -> None:
    """As a copy that was not finished leaves a block: HDF5 goes over its strings for ever."""
    with h5py.File(path, "a") as file:
        file.attrs["object_pixel_height_m"] = "text"
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL") + 16
    content[start : start + 4000] = bytes(4000)
    path.write_bytes(content)


def _crossed_parts(path: Path) -> None:
    """One bit of the type of the probe: HDF5 writes beyond its memory."""
    content = bytearray(path.read_bytes())
    exponent = content.index(bytes.fromhex("11201f00040000000000200017080017") + b"\x7f") + 16
    content[exponent] = 0x85
    path.write_bytes(content)


def test_a_type_whose_parts_share_bytes_is_damage(layouts: Any, tmp_path: Path) -> None:
    """Its values are not read."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data())
    _crossed_parts(path)
    with pytest.raises(DataError, match="is damaged: the parts of /probe lie in each other"):
        open_scan(path)


def _damaged_strings(layouts: Any, folder: Path) -> Path:
    path: Path = layouts.write(folder / "scan.h5", layouts.training_data())
    _blank_heap(path)
    return path


def test_a_reading_that_does_not_end_is_an_error(layouts: Any, tmp_path: Path) -> None:
    """Of this process only a copy is lost."""
    path = _damaged_strings(layouts, tmp_path)
    with pytest.raises(DataError, match=r"the HDF5 library does not finish reading it within 0\.3 s"):
        hdf5_trial.check_survival(path, lambda: h5py.File(path).attrs["object_pixel_height_m"], compute_s=0.3)


@pytest.mark.slow
def test_a_scan_whose_reading_does_not_end_is_refused(layouts: Any, tmp_path: Path) -> None:
    """After the ten seconds that every file has."""
    path = _damaged_strings(layouts, tmp_path)
    with pytest.raises(DataError, match="the HDF5 library does not finish reading it within 10 s"):
        open_scan(path)


def test_a_crash_is_an_error_and_an_error_is_left_to_the_reading(tmp_path: Path) -> None:
    """Of the copy of this process that reads first."""
    with pytest.raises(DataError, match=r"the HDF5 library crashes with it \(SIGABRT\)"):
        hdf5_trial.check_survival(tmp_path, os.abort)
    hdf5_trial.check_survival(tmp_path, lambda: 1 / 0)


def test_a_file_that_grows_while_it_is_read_is_called_that(layouts: Any, tmp_path: Path) -> None:
    """By a program that does not lock it."""
    path = layouts.write(tmp_path / "scan.h5", layouts.training_data())
    with open_scan(path) as scan:
        assert digests([scan])
        with path.open("ab") as stream:
            stream.write(b"more")
        with pytest.raises(DataError, match=r"changed while it was read, from \d+ to \d+ bytes: it is still growing"):
            digests([scan])


def test_aliases_of_aliases_are_refused(tmp_path: Path) -> None:
    """A few lines of YAML that stand for gigabytes."""
    levels = [f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 12)]
    (tmp_path / "scan.yaml").write_text("\n".join(["b0: &b0 lol", *levels, "init_params: {probe_kv: *b11}"]))
    with pytest.raises(DataError, match="uses aliases"):
        open_scan(tmp_path / "scan.yaml")
