"""PtyRAD with a known or a guessed probe, as a command that does what `ptycho refine` does.

    python benchmarks/ptyrad_run.py scan.npz object.npz [--epochs 100] [--batch 32] [--rate 5e-3] [--probe] \
        [--positions 3] [--modes 1] [--seed 0]

Imports nothing of the packages of this project. Reads our NPZ scan, starts from a flat object, writes `object` and
`origin_px`. PtyRAD knows electrons and lengths in Angstrom; the wavelength does not matter for one slice, so an object
pixel is called 1 Angstrom. Its optimiser, losses and constraints are its defaults; `--rate` is that of object and probe
in Adam, `--positions` the epoch from which on these move too.

PtyRAD 1.0.0 does not import with Python 3.11 (a quote within an f-string of `plotting/basic.py`), and needs a
torchvision that fits its torch.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from lsqml import read_scan
from numpy.typing import NDArray


def task(
    counts: NDArray[np.float32],
    corner_yx: NDArray[np.float64],
    probe: NDArray[np.complex64],
    shape: tuple[int, int],
    asked: argparse.Namespace,
) -> dict[str, Any]:
    """The parameters of PtyRAD: counts `(n, N, N)` centred, corner_yx `(n, 2)` first pixels of the patches on an object
    of this shape, probe `(P, N, N)`."""
    count, side = len(counts), counts.shape[-1]
    starts = {"obja": 1, "objp": 1, "probe": 1 if asked.probe else None, "probe_pos_shifts": asked.positions}
    return {
        "init_params": {
            "probe_kv": 80.0,
            "probe_conv_angle": 20.0,
            "meas_Npix": side,
            "meas_calibration": {"mode": "dx", "value": 1.0},
            "meas_source": "custom",
            "meas_params": counts,
            "pos_N_scans": count,
            "pos_N_scan_slow": count,
            "pos_N_scan_fast": 1,
            "pos_scan_step_size": 1.0,
            "pos_source": "custom",
            "pos_params": corner_yx,
            "probe_pmode_max": len(probe),
            "probe_source": "custom",
            "probe_params": probe,
            "obj_Nlayer": 1,
            "obj_slice_thickness": 1.0,
            "obj_source": "custom",
            "obj_params": np.ones((1, 1, *shape), np.complex64),
        },
        "model_params": {
            "update_params": {
                name: {"start_iter": start, "lr": asked.rate, "end_iter": None} for name, start in starts.items()
            }
        },
        "recon_params": {
            "NITER": asked.epochs,
            "BATCH_SIZE": {"size": asked.batch, "grad_accumulation": 1},
            "SAVE_ITERS": None,
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--positions", type=int, metavar="EPOCH")
    parser.add_argument("--modes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    try:
        from ptyrad.params import PtyRADParams
        from ptyrad.solver import PtyRADSolver
    except ImportError as error:
        raise SystemExit(f"PtyRAD cannot be imported here: {error}") from error
    counts, position, probe = read_scan(asked.scan, asked.modes)
    side = probe.shape[-1]
    corner = position - side // 2
    y, x = np.floor(corner.min(axis=0)).astype(int).tolist()
    height, width = (np.ceil(corner.max(axis=0)).astype(int) - [y, x] + side + 1).tolist()
    made = task(counts, corner - [y, x], probe, (height, width), asked)
    checked = PtyRADParams.model_validate(made).model_dump()
    solver = PtyRADSolver(checked, device="cpu", seed=asked.seed)
    solver.reconstruct()
    model = solver.reconstruct_results
    values = (model.opt_obja * (1j * model.opt_objp).exp()).detach().cpu().numpy()[0].mean(0)
    np.savez(asked.output, object=values.astype(np.complex64), origin_px=np.array([y, x]))


if __name__ == "__main__":
    main()
