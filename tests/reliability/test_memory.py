"""A run that does not fit into memory is refused before it takes any, with what it needs and what there is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from ptycho_config import ConfigError
from ptycho_config.schema import Cnn, Fno, GroupingOptions, ModelConfig, TorchOptions, Unrolled
from ptycho_torch.data.grouping import GroupPlan, plan_groups
from ptycho_torch.data.scan import check_canvas
from ptycho_torch.device import free_gpu_bytes, full_memory_as_error
from ptycho_torch.errors import DataError
from ptycho_torch.memory import free_bytes, shortage
from ptycho_torch.nets.reconstructor import build_model
from ptycho_torch.records import Dataset

NUMBERS = r"needs [\d.e+]+ [KMGTP]iB of memory, of which [\d.]+ [KMGT]iB are free"
LARGE = 10**9


def test_an_object_that_does_not_fit_is_refused() -> None:
    """Positions in another unit make one."""
    patterns, probe = np.ones((4, 64, 64), np.float32), np.ones((1, 64, 64), np.complex64)
    position = np.array([[0.0, 0.0], [0.0, 20.0], [20.0, 0.0], [20.0, 20.0]])
    dataset = Dataset("scan.h5", patterns, position, probe)
    assert check_canvas(dataset) is dataset
    with pytest.raises(DataError, match=rf"its object of 200000065 x 200000065 px {NUMBERS} \(are positions in"):
        check_canvas(attrs.evolve(dataset, position_yx=position * 1e7))


@pytest.mark.parametrize(
    "plan",
    [
        GroupPlan(gridsize=1, neighbor_count=4, options=GroupingOptions(groups_per_centre=LARGE**2)),
        GroupPlan(gridsize=2, neighbor_count=4, n_groups=LARGE**2, pool=6),
        GroupPlan(gridsize=3, neighbor_count=8, n_groups=10**6, pool=400),
    ],
)
def test_a_plan_of_groups_that_does_not_fit_is_refused(plan: GroupPlan) -> None:
    """Too many around each centre, too many in all, too many ways to choose them."""
    position = np.random.default_rng(0).random((500, 2)) * 100
    with pytest.raises(ValueError, match=NUMBERS):
        plan_groups(position, plan, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("net", "options"),
    [
        (Unrolled(width=10**6), {}),
        (Unrolled(stages=1000, width=4096), {}),
        (Cnn(), {"n_filters_scale": LARGE}),
        (Fno(), {"fno_width": 10**7}),
    ],
)
def test_a_network_that_does_not_fit_is_refused(net: Any, options: dict[str, Any]) -> None:
    """Its gradients and the state of the optimiser count."""
    architecture = type(net).__name__.lower()
    with pytest.raises(ConfigError, match=f"torch.net: would be too large.*{NUMBERS}"):
        build_model(ModelConfig(architecture=architecture, **options), TorchOptions(net=net), 0, copies=4)


@pytest.mark.parametrize("net", [Unrolled(width=10**18), Fno()])
def test_a_size_that_cannot_be_written_down_is_refused(net: Any) -> None:
    """More bytes than a number of 64 bits counts."""
    model = ModelConfig(architecture=type(net).__name__.lower(), fno_modes=LARGE)
    with pytest.raises(ConfigError, match="has a size that no network can have"):
        build_model(model, TorchOptions(net=net), 0)


def test_the_memory_of_a_gpu_counts() -> None:
    """Of which the bytes are given, for objects and networks."""
    assert shortage(2000, 4000, 1024) == "needs 1.95 KiB of GPU memory, of which 1 KiB are free"
    assert shortage(2000, 4000, 3000) == ""
    patterns, probe = np.ones((2, 64, 64), np.float32), np.ones((1, 64, 64), np.complex64)
    dataset = Dataset("scan.h5", patterns, np.array([[0.0, 0.0], [0.0, 20.0]]), probe)
    with pytest.raises(DataError, match=r"needs 216 KiB of GPU memory, of which 97\.7 KiB are free"):
        check_canvas(dataset, gpu_free=10**5)
    with pytest.raises(ConfigError, match="of GPU memory"):
        build_model(ModelConfig(architecture="unrolled"), TorchOptions(net=Unrolled()), 0, copies=4, gpu_free=10**4)
    assert free_gpu_bytes(torch.device("cpu")) is None


def _torch_allocates() -> None:
    torch.empty(2**48)


def _numpy_allocates() -> None:
    np.empty(2**48)


def _gpu_allocates() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 PiB. GPU 0 has 139 GiB.")


@pytest.mark.parametrize("allocate", [_torch_allocates, _numpy_allocates, _gpu_allocates])
def test_what_no_estimate_foresees_names_an_option(allocate: Callable[[], None]) -> None:
    """Batches above all; other errors stay what they are."""
    with (
        pytest.raises(ConfigError, match=r"torch.refine.batch: takes more memory than this machine has: it could not"),
        full_memory_as_error(torch.device("cpu"), "torch.refine.batch"),
    ):
        allocate()
    with pytest.raises(RuntimeError, match="another"), full_memory_as_error(torch.device("cpu"), "torch.refine.batch"):
        raise RuntimeError("another")


def test_the_limit_of_a_control_group_counts(tmp_path: Path) -> None:
    """Of a job in a cluster, in both versions, and of those above it; caches are free."""
    machine = free_bytes()
    processes, groups = tmp_path / "proc", tmp_path / "cgroup"
    (processes / "self").mkdir(parents=True)
    (processes / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:    9000000 kB\n")
    assert free_bytes(processes, groups) == min(9_000_000 * 1024, free_bytes(tmp_path / "none", groups))
    for line, folder, limit, used in (
        ("0::/job/step", groups / "job", "memory.max", "memory.current"),
        ("7:cpu,memory:/job", groups / "memory" / "job", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        (processes / "self" / "cgroup").write_text(f"{line}\n")
        folder.mkdir(parents=True)
        (folder / limit).write_text("5000000\n")
        (folder / used).write_text("4000000\n")
        (folder / "memory.stat").write_text("anon 3000000\ninactive_file 700000\n")
        assert free_bytes(processes, groups) == 1_700_000
    (groups / "memory" / "job" / limit).write_text("max\n")
    assert free_bytes(processes, groups) > 1_700_000
    assert machine > 0
    assert shortage(2000, 1024) == "needs 1.95 KiB of memory, of which 1 KiB are free"
    assert shortage(1024, 1024) == ""
