"""The state of a training, from what it leaves in its folder while it runs. Imports no torch."""

import csv
from pathlib import Path
from typing import Any

from ptycho_torch.files import UNFINISHED
from ptycho_torch.output.line_chart import Series, line_chart

LOSSES, LOGS = "losses.csv", "lightning_logs"
PICTURES, REPORT = "reconstructions", "report.html"
_SHOWN = 15


def progress(folder: Path) -> dict[str, Any]:
    """The state of the run in a folder as JSON values: `status`, `chart` as SVG, the last lines of the `log`, and the
    names of the newest `pictures`; of what is not there yet, nothing."""
    rows = _losses(folder / LOGS / LOSSES)
    series = []
    for name, title in (("train_loss", "training"), ("val_loss", "validation")):
        points = tuple((float(row["epoch"]), float(row[name])) for row in rows if row.get(name))
        series += [Series(title, points)] if points else []
    return {
        "name": str(folder),
        "status": _status(folder, len(rows)),
        "chart": line_chart(series, "epoch", "loss", whole_x=True) if series else "",
        "log": [_line(row) for row in rows[-_SHOWN:]],
        "pictures": newest_pictures(folder),
        "report": (folder / REPORT).is_file(),
    }


def _line(row: dict[str, str]) -> str:
    """A row of the table of losses for people."""
    return "  ".join(f"{name} {float(value):.4g}" for name, value in row.items() if value)


def newest_pictures(folder: Path) -> list[str]:
    """The pictures of the last epoch that was drawn, as paths within the folder of pictures."""
    place = folder / PICTURES
    drawn = sorted(path for path in place.rglob("*.png") if not path.name.startswith(UNFINISHED))
    epochs = {path: path.relative_to(place).parts[0].rpartition("=")[2].removesuffix(".png") for path in drawn}
    last = max(epochs.values(), default="")
    return [path.relative_to(place).as_posix() for path, epoch in epochs.items() if epoch == last]


def _status(folder: Path, epochs: int) -> str:
    done = f"{epochs} epoch{'s' * (epochs != 1)} done"
    if (folder / f"{UNFINISHED}lock").exists():
        return f"running, {done}"
    return f"not running, {done}" if folder.is_dir() else "not started"


def _losses(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))
    except OSError:
        return []
