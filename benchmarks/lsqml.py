"""LSQML of pty-chi with a known probe, and as a command that does what `ptycho refine` does.

    python benchmarks/lsqml.py scan.npz object.npz [--epochs 15] [--batch 64] [--step 1.8] [--joint] \
        [--probe] [--positions 3] [--modes 1] [--seed 0]

Imports nothing of this project, so that its start-up is pty-chi's alone. Reads our NPZ scan, starts
from a flat object, writes `object` and `origin_px`. `peers.py` says which environment it needs.

The defaults of batch and step are the best that a search over batches of 32 to 200, random and uniform
batches, factors of 0.9 to 2.5, both ways to solve the step and both noise models found for the
simulated pair: the object's step solved without the probe's, which stays fixed, and twice pty-chi's
factor, because it halves a step solved so. Its own defaults are `--batch 100 --step 0.9 --joint`.
`--probe` updates the probe in every epoch, `--positions` the positions from that epoch on, `--modes` begins with so
many modes of the probe, the further ones with a tenth of the power each.
"""

import argparse
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH = 64
STEP = 1.8


def task(
    counts: NDArray[np.float32],
    position_yx: NDArray[np.float64],
    probe: NDArray[np.complex64],
    object_: NDArray[np.complex64],
    origin_yx: tuple[int, int],
    *,
    batch: int = BATCH,
    step: float = STEP,
    joint: bool = False,
    update_probe: bool = False,
    positions_from: int | None = None,
    seed: int = 0,
) -> Any:
    """A reconstruction that is ready to run.

    counts `(n, N, N)` centred; position_yx `(n, 2)` patch centres; probe `(P, N, N)` in the square
    root of counts; object_ `(H, W)` whose `[0, 0]` is the object pixel `origin_yx`; step: factor of the
    solved step size, solved together with one of the probe where `joint`. The probe stays as it is unless
    update_probe, the positions unless positions_from says from which epoch on; every other option has its default.
    """
    try:
        from ptychi.api import LSQMLOptions
        from ptychi.api.task import PtychographyTask
    except ImportError as error:
        raise SystemExit("pty-chi is not installed here: see benchmarks/peers.py for what to install") from error

    # pty-chi warns through the root logger too.
    for name in (None, "ptychi"):
        logging.getLogger(name).setLevel(logging.ERROR)
    side = probe.shape[-1]
    options = LSQMLOptions()
    solver = options.reconstructor_options
    solver.default_device = "cpu"
    solver.batch_size = batch
    solver.random_seed = seed
    solver.single_slice_solve_obj_prb_step_size_jointly = joint
    solver.rescale_probe_intensity_in_first_epoch = False
    options.probe_options.optimizable = update_probe
    if positions_from is not None:
        options.probe_position_options.optimizable = True
        options.probe_position_options.optimization_plan.start = positions_from
    options.object_options.optimal_step_size_scaler = step
    options.object_options.remove_object_probe_ambiguity.enabled = False
    options.object_options.determine_position_origin_coords_by = "specified"
    # Patches are centred between pixels, and the Fourier transform has no factor 1/N.
    options.object_options.position_origin_coords = [-0.5 - corner for corner in origin_yx]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return PtychographyTask(
            options,
            diffraction_data=counts,
            object_data=object_[None],
            probe_data=(probe / np.float32(side))[None],
            probe_position_y_px=position_yx[:, 0],
            probe_position_x_px=position_yx[:, 1],
        )


def object_of(made: Any) -> NDArray[np.complex64]:
    """The object `(H, W)` of a task, as it is now."""
    return np.array(made.get_data_to_cpu("object", as_numpy=True)[0], np.complex64)


def read_scan(path: Path, modes: int) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.complex64]]:
    """Counts `(n, N, N)`, positions in y and x `(n, 2)` px, and the probe `(modes, N, N)` of our NPZ scan."""
    with np.load(path, allow_pickle=False) as arrays:
        counts = arrays["diff3d"].astype(np.float32)
        position = np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1)
        probe = arrays["probeGuess"].astype(np.complex64)
    return counts, position, with_modes(probe.reshape(-1, *probe.shape[-2:]), modes)


def with_modes(probe: NDArray[np.complex64], number: int) -> NDArray[np.complex64]:
    """The probe with `number` orthogonal modes of the same power in all: `x P, y P, x y P` for the further ones."""
    side = probe.shape[-1]
    y, x = np.indices((side, side)) - side / 2
    shapes = (x, y, x * y)[: max(0, number - len(probe))]
    stack = np.stack([*probe, *(probe[0] * shape for shape in shapes)]).reshape(-1, side * side)
    basis = np.linalg.qr(stack.T)[0].T[len(probe) :].reshape(-1, side, side)
    power = np.square(np.abs(probe)).sum()
    rest = probe * np.sqrt(1 - 0.1 * len(basis))
    return np.concatenate([rest, basis * np.sqrt(0.1 * power)]).astype(np.complex64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--step", type=float, default=STEP)
    parser.add_argument("--joint", action="store_true")
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("--positions", type=int, metavar="EPOCH")
    parser.add_argument("--modes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    counts, position, probe = read_scan(asked.scan, asked.modes)
    side = probe.shape[-1]
    centre = np.round(position).astype(np.int64)
    y, x = (centre.min(axis=0) - side // 2).tolist()
    height, width = (np.ptp(centre, axis=0) + side).tolist()
    # Unit of the object in which the probe has the mean energy of a pattern.
    level = np.sqrt(counts.sum(axis=(1, 2)).mean() / np.square(np.abs(probe)).sum())
    flat = np.full((height, width), level, np.complex64)
    made = task(
        counts,
        position,
        probe,
        flat,
        (y, x),
        batch=asked.batch,
        step=asked.step,
        joint=asked.joint,
        update_probe=asked.probe,
        positions_from=asked.positions,
        seed=asked.seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.run(asked.epochs)
    np.savez(asked.output, object=object_of(made), origin_px=np.array([y, x]))


if __name__ == "__main__":
    main()
