"""Sentences on a run before its work starts: what it computes, with what, on what."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from ptycho_torch.data.raw import RawScan

_LOG = logging.getLogger(__name__)
# The search for a probe takes minutes on a CPU from this side of a pattern on.
_SLOW_PX = 256


def log_start(scans: Sequence[RawScan], network: str, device: torch.device, folder: Path) -> None:
    """Log the header of a run at level INFO: its scans, `network` in words, device, and folder for results."""
    lines = {"scan": describe_scans(scans), "network": network, "device": describe_device(device), "results": folder}
    without = [scan.frame[0] for scan in scans if scan.probe is None and scan.frame[0] >= _SLOW_PX]
    if device.type == "cpu" and without:
        lines["probe"] = (
            f"none: the search for one takes minutes on a CPU for {max(without)} px; smaller patterns around the "
            "beam are much faster: ptycho prepare IN OUT centre crop.side_px=128"
        )
    for name, text in lines.items():
        _LOG.info("%-8s %s", name, text)


def describe_scans(scans: Sequence[RawScan]) -> str:
    """`scan.npz: 516 patterns of 64 x 64 px`, or the number of scans."""
    height, width = scans[0].frame
    name = scans[0].path.name if len(scans) == 1 else f"{len(scans)} scans"
    return f"{name}: {sum(scan.count for scan in scans)} patterns of {height} x {width} px"


def describe_device(device: torch.device) -> str:
    """The processor in words: `the CPU, 4 threads`."""
    if device.type == "cuda":
        return f"the GPU, {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"the CPU, {threads} thread{'s' * (threads != 1)}" if device.type == "cpu" else str(device)
