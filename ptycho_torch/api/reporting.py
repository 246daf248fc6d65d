"""`report`: the report of a result, where one wants it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ptycho_torch.api.inference import Reconstruction
from ptycho_torch.api.refinement import Refinement
from ptycho_torch.errors import MissingFileError
from ptycho_torch.files import atomic_write
from ptycho_torch.output.report import write_report
from ptycho_torch.run_folder import check_result

if TYPE_CHECKING:
    from ptycho_torch.api.training import TrainingRun

NAME = "report.html"


def report(run: "Path | str | Reconstruction | Refinement | TrainingRun", path: Path | str) -> Path:
    """Write the report of a run as one HTML file that needs no other, and return its path.

    run: what `reconstruct`, `refine` or `train` returned, or the folder of a run. path: the file. Raises DataError
    where the folder holds no report, or one of another run than its other results.

    >>> report("result", "mine.html").stat().st_size < 5e6
    True
    """
    target = Path(path)
    if isinstance(run, Reconstruction | Refinement):
        write_report(target, run.report)
        return target
    folder = Path(run) if isinstance(run, Path | str) else run.bundle.parent
    written = folder / NAME
    check_result(written)
    if not written.is_file():
        raise MissingFileError(str(written), "no such file", "repeat the run")
    with atomic_write(target) as temporary:
        shutil.copyfile(written, temporary)
    return target
