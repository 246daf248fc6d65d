"""Snapshots live in one top-level folder; drawn examples are the same on every machine."""

from pathlib import Path

import pytest
from hypothesis import settings
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.amber import AmberSnapshotExtension
from syrupy.location import PyTestLocation

pytest_plugins = ["tests.runs", "tests.layouts"]

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent


class TopLevelSnapshots(AmberSnapshotExtension):
    """`snapshots/<test module>.ambr`."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """The one folder."""
        return str(ROOT / "snapshots" / Path(test_location.filepath).parent.name)


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Syrupy's fixture, with the top-level folder."""
    return snapshot.use_extension(TopLevelSnapshots)
