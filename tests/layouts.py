"""A simulated scan and the entries of every HDF5 layout that can hold it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from ptycho_torch.data.geometry import ELECTRONVOLT, object_pixel_m
from ptycho_torch.physics.simulate import SimulatedScan, natural_object, simulate_scan

ENERGY_J, DISTANCE, DETECTOR = 1.3e-15, 2.0, 75e-6
DETECTOR_1, SOURCE_1 = "entry_1/instrument_1/detector_1", "entry_1/instrument_1/source_1"
TRANSLATION = "entry_1/sample_1/geometry_1/translation"


class Layouts:
    """Writes the scan in the layouts of the field; `changes` replace entries, None removes one."""

    energy_j, distance, detector = ENERGY_J, DISTANCE, DETECTOR
    pixel = object_pixel_m(ENERGY_J, DISTANCE, DETECTOR, 64)

    def __init__(self, scan: SimulatedScan) -> None:
        self.scan = scan
        self.from_corner = scan.position_yx - scan.position_yx.min(axis=0) + 32

    @staticmethod
    def write(path: Path, entries: dict[str, Any], root: dict[str, Any] | None = None) -> Path:
        """Entries are arrays, or pairs of array and attributes."""
        with h5py.File(path, "w") as file:
            file.attrs.update(root or {})
            for name, value in entries.items():
                if value is not None:
                    array, attributes = value if isinstance(value, tuple) else (value, {})
                    file.create_dataset(name, data=array).attrs.update(attributes)
        return path

    def named_arrays(self) -> dict[str, Any]:
        """By the names of NPZ."""
        return {
            "diff3d": self.scan.counts.astype(np.uint16),
            "xcoords": self.scan.position_yx[:, 1],
            "ycoords": self.scan.position_yx[:, 0],
            "probeGuess": self.scan.probe,
        }

    def translation(self) -> NDArray[np.float64]:
        """Of the sample in m, y up: lifting it shows the beam what lies further down."""
        moved = np.zeros((len(self.scan.position_yx), 3))
        moved[:, :2] = self.scan.position_yx[:, ::-1] * self.pixel
        return moved

    def cxi(self, **changes: Any) -> dict[str, Any]:
        """CXI with a probe."""
        return {
            f"{DETECTOR_1}/data": self.scan.counts.astype(np.uint16),
            f"{DETECTOR_1}/distance": DISTANCE,
            f"{DETECTOR_1}/x_pixel_size": DETECTOR,
            f"{DETECTOR_1}/y_pixel_size": DETECTOR,
            f"{SOURCE_1}/energy": ENERGY_J,
            f"{SOURCE_1}/illumination": self.scan.probe,
            TRANSLATION: self.translation(),
        } | changes

    def nexus(self, **changes: Any) -> dict[str, Any]:
        """NXcxi_ptycho in keV, mm and um, with the ring's energy where CXI has that of the photons."""
        return {
            "entry_1/definition": "NXcxi_ptycho",
            f"{DETECTOR_1}/data": self.scan.counts.astype(np.uint16),
            f"{DETECTOR_1}/distance": (DISTANCE * 1e3, {"units": "mm"}),
            f"{DETECTOR_1}/x_pixel_size": (DETECTOR * 1e6, {"units": "um"}),
            f"{DETECTOR_1}/y_pixel_size": (DETECTOR, {"units": "m"}),
            f"{SOURCE_1}/energy": (3.0, {"units": "GeV"}),
            "entry_1/instrument_1/beam_1/energy": (ENERGY_J / ELECTRONVOLT / 1e3, {"units": "keV"}),
            TRANSLATION: (self.translation() * 1e3, {"units": "mm"}),
            "probe": self.scan.probe,
        } | changes

    def ptyd(self, **changes: Any) -> dict[str, Any]:
        """Two chunks of ptypy, the later one first by name."""
        position = self.scan.position_yx * self.pixel
        made: dict[str, Any] = {
            "meta/energy": ENERGY_J / ELECTRONVOLT / 1e3,
            "meta/distance": DISTANCE,
            "meta/psize": np.array([DETECTOR, DETECTOR]),
            "probe": self.scan.probe,
        }
        for name, rows in (("10", slice(20, None)), ("9", slice(0, 20))):
            made[f"chunks/{name}/data"] = self.scan.counts[rows]
            made[f"chunks/{name}/positions"] = position[rows]
            made[f"chunks/{name}/indices"] = np.arange(36)[rows]
            made[f"chunks/{name}/weights"] = np.zeros(0)
        return made | changes

    def product(self, **changes: Any) -> dict[str, Any]:
        """The ptychodus product, its object centred at (1, -2) um."""
        height, width = self.scan.truth.shape
        centre = {"center_y_m": 1e-6, "center_x_m": -2e-6}
        metres = (self.scan.position_yx - np.array([height / 2, width / 2])) * self.pixel
        return {
            "probe_position_indexes": np.arange(36),
            "probe_position_y_m": metres[:, 0] + centre["center_y_m"],
            "probe_position_x_m": metres[:, 1] + centre["center_x_m"],
            "probe": self.scan.probe[None],
            "object": (self.scan.truth[None], {**centre, "pixel_width_m": self.pixel, "pixel_height_m": self.pixel}),
        } | changes

    def diffraction(self, **changes: Any) -> dict[str, Any]:
        """The patterns that belong to the product."""
        return {"patterns": self.scan.counts.astype(np.uint16), "indexes": np.arange(36)} | changes

    def training_data(self, **changes: Any) -> dict[str, Any]:
        """Training data of ptychodus without geometry."""
        height, width = self.scan.truth.shape
        return {
            "patterns": self.scan.counts.astype(np.int32),
            "probe": self.scan.probe,
            "object": self.scan.truth,
            "probe_position_y_px": self.scan.position_yx[:, 0] - height / 2,
            "probe_position_x_px": self.scan.position_yx[:, 1] - width / 2,
        } | changes


@pytest.fixture(scope="session")
def layouts() -> Layouts:
    """36 patterns; positions are patch centres on the truth."""
    return Layouts(simulate_scan(natural_object("camera", "coins", 100), seed=0))
