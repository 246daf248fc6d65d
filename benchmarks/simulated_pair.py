"""Train on one simulated object, reconstruct a different one, and compare with the truth.

    python benchmarks/simulated_pair.py [--seed 0] [--set PATH=VALUE ...]

1,764 patterns of 64x64 an object, 6 px raster with 1.5 px jitter, about 6e5 photons per
pattern. Prints a table and one JSON line.
"""

import argparse
import json
import tempfile
from pathlib import Path

from ptycho_config import Sources, parse
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api import reconstruct, train
from ptycho_torch.data.readers import read_scan
from ptycho_torch.evaluation.metrics import contrast_and_detail, scanned_region
from ptycho_torch.output.scan_file import write_scan
from ptycho_torch.physics.simulate import natural_object, simulate_scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = {
            "train": simulate_scan(natural_object("camera", "astronaut", 320), seed=2 * arguments.seed + 1),
            "unseen": simulate_scan(natural_object("coffee", "chelsea", 320), seed=2 * arguments.seed + 2),
        }
        for role, scan in scans.items():
            write_scan(folder / f"{role}.npz", scan)
        chosen = [*arguments.set, f"training.subsample_seed={arguments.seed}"]
        sources = Sources(command_line=parse(TrainingSetup, [*chosen, "execution.enable_progress_bar=true"]))
        run = train(folder / "train.npz", folder / "model", sources=sources)
        results = {}
        for role, scan in scans.items():
            result = reconstruct(folder / f"{role}.npz", folder / role, model=folder / "model", unknown=[], passes=0)
            dataset = read_scan(folder / f"{role}.npz", "count_intensity")
            box = scanned_region(dataset, result.canvas)
            origin_y, origin_x = result.canvas.origin_yx
            truth_box = tuple(
                slice(part.start + start, part.stop + start)
                for part, start in zip(box, (origin_y, origin_x), strict=True)
            )
            contrast, detail = contrast_and_detail(result.canvas.object[box], scan.truth[truth_box])
            results[role] = {
                "contrast": round(contrast, 3),
                "detail": round(detail, 3),
                "R": result.metrics.R,
                "seconds": result.metrics.seconds.predict_and_stitch,
            }
    print(f"{'object':8} {'contrast':>8} {'detail':>8} {'R':>8} {'predict+stitch':>15}")
    for role, row in results.items():
        print(f"{role:8} {row['contrast']:8.3f} {row['detail']:8.3f} {row['R']:8.4f} {row['seconds']:13.1f} s")
    seconds, epochs = run.record.seconds.training, len(run.record.history.train_loss)
    print(f"training: {seconds:.0f} s, {epochs} epochs")
    print(json.dumps({"training_s": seconds, "epochs": epochs, "seed": arguments.seed, **results}))


if __name__ == "__main__":
    main()
