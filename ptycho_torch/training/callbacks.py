"""Lightning callbacks: losses of each epoch, progress, signals, drawn reconstructions."""

import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger
from tqdm import tqdm

from ptycho_config.schema import TrainingSetup
from ptycho_torch.data.batches import ClusterDataset
from ptycho_torch.errors import DataError
from ptycho_torch.files import write_table
from ptycho_torch.output.figures import draw_patches, picture
from ptycho_torch.output.object_pictures import draw_object
from ptycho_torch.output.run_records import Losses
from ptycho_torch.reconstruction.predict import reconstruct_scan
from ptycho_torch.watch.progress import LOGS, LOSSES

# Fits 80 columns with the losses.
_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
_BETWEEN_SHOWN_S, _BETWEEN_LINES_S = 0.5, 30.0


class EpochRecord(Callback):
    """Collects the losses of each epoch and shows progress, from the first step on: a bar in a terminal, lines in a
    log."""

    def __init__(self, *, visible: bool) -> None:
        self.shown_s = -_BETWEEN_LINES_S
        self.validation = ""
        self.history: dict[str, list[float]] = {"train_loss": [], "val_loss": []}
        self.visible = visible
        self.bar: tqdm[Any] | None = None
        self.begun = False

    def drop_last(self) -> None:
        """Forget the losses of the last epoch."""
        for values in self.history.values():
            del values[-1:]

    @property
    def losses(self) -> Losses:
        """The history as a record."""
        return Losses(tuple(self.history["train_loss"]), tuple(self.history["val_loss"]))

    def state_dict(self) -> dict[str, Any]:
        """The history, so that a resumed training goes on where it was."""
        return {"history": {name: list(values) for name, values in self.history.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the history of a checkpoint."""
        self.history = state_dict["history"]

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Open the bar over all steps, if standard error is a terminal."""
        self.begun = True
        if self.visible and trainer.is_global_zero and sys.stderr.isatty():
            self.bar = tqdm(total=int(trainer.estimated_stepping_batches), bar_format=_BAR)

    def on_train_batch_end(self, trainer: pl.Trainer, _: Any, outputs: Any, *more: Any) -> None:  # noqa: ARG002
        """Advance the bar, and show the loss of the step where the last one is some time ago."""
        if not self.visible or not trainer.is_global_zero:
            return
        now = time.monotonic()
        late = now - self.shown_s >= (_BETWEEN_LINES_S if self.bar is None else _BETWEEN_SHOWN_S)
        place = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        if late:
            self.shown_s, loss = now, f"loss {float(outputs['loss']):.5f}"
        if self.bar is None and late:
            step, steps = trainer.global_step, int(trainer.estimated_stepping_batches)
            print(f"{place}  step {step}/{steps}  {loss}", file=sys.stderr, flush=True)
        elif self.bar is not None:
            self.bar.set_description_str(place, refresh=False)
            if late:
                self.bar.set_postfix_str(f"{loss}{self.validation}", refresh=False)
            self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Record the losses; validation has run before this hook."""
        metrics = trainer.callback_metrics
        values = {name: float(metrics[name]) for name in self.history if name in metrics}
        for name, value in values.items():
            self.history[name].append(value)
        self._write(trainer)
        text = "  ".join(f"{name} {value:.5f}" for name, value in values.items())
        if self.bar is not None:
            self.validation = f", val {values['val_loss']:.5f}" if "val_loss" in values else ""
        elif self.visible and trainer.is_global_zero:
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {text}", file=sys.stderr, flush=True)

    def _write(self, trainer: pl.Trainer) -> None:
        """Write the losses so far next to the logs, for `ptycho watch`: loggers write late."""
        if not trainer.is_global_zero or not isinstance(trainer.logger, CSVLogger | TensorBoardLogger):
            return
        folder = Path(trainer.default_root_dir) / LOGS
        folder.mkdir(exist_ok=True)
        columns = {name: values for name, values in self.history.items() if values}
        epochs = range(max(map(len, columns.values()), default=0))
        rows = [{"epoch": n + 1} | {name: values[n] for name, values in columns.items()} for n in epochs]
        if rows and len({len(values) for values in columns.values()}) == 1:
            write_table(folder / LOSSES, rows)

    def on_train_end(self, *_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()


class EndOnSignal(Callback):
    """Keep the effect of SIGTERM that the process had.

    Lightning's handler ends a training as if it were done, at status 0; of several processes it calls a
    collective operation at whatever line it interrupts, which blocks when the others are at another one.
    The last checkpoint is whole in any case.
    """

    def on_fit_start(self, *_: Any) -> None:
        """Remember the handler, before Lightning sets its own."""
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        """Set it again; only the main thread can, and only there has Lightning set one."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)


class ReconstructionLog(Callback):
    """Draws patches of a few groups, and the stitched scan if the options say so, every n epochs.

    Pictures go to `folder/reconstructions`, and to the logger where it takes pictures.
    """

    def __init__(self, clusters: ClusterDataset, setup: TrainingSetup, folder: Path) -> None:
        self.clusters, self.options = clusters, setup
        self.folder = folder / "reconstructions"
        self.rows = _logged_rows(clusters, setup)

    @torch.no_grad()
    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw after every n-th epoch, on the first process."""
        every, epoch = self.options.execution.recon_log_every_n_epochs, trainer.current_epoch + 1
        if not trainer.is_global_zero or every is None or epoch % every:
            return
        self.folder.mkdir(exist_ok=True)
        model = pl_module.model
        assert isinstance(model, torch.nn.Module)
        batch = move_data_to_device(self.clusters[self.rows, 0], pl_module.device)
        model.eval()
        patches = model(batch).patches[:, : batch.merged].flatten(0, 1).cpu().numpy()
        path = self.folder / f"patches_epoch={epoch:03d}.png"
        draw_patches(path, patches, f"epoch {epoch}")
        self._attach(trainer, path, epoch)
        if self.options.execution.recon_log_stitch:
            self._stitch(trainer, pl_module.device, model, epoch)
        model.train()

    def _stitch(self, trainer: pl.Trainer, device: torch.device, model: Any, epoch: int) -> None:
        groups = self.clusters.members
        limit = self.options.execution.recon_log_max_stitch_samples
        if limit is not None and limit < len(groups):
            groups = groups[torch.linspace(0, len(groups) - 1, limit).long()]
        canvas = reconstruct_scan(
            model,
            self.clusters.scan,
            groups,
            batch_size=self.options.training.batch_size,
            stitch=self.options.torch.stitch,
            trim=self.options.execution.middle_trim,
            device=device,
            progress=lambda _: None,
        )
        folder = self.folder / f"object_epoch={epoch:03d}"
        folder.mkdir(exist_ok=True)
        draw_object(folder, canvas, geometry=self.clusters.scan.geometry)
        for path in sorted(folder.iterdir()):
            self._attach(trainer, path, epoch)

    def _attach(self, trainer: pl.Trainer, path: Path, epoch: int) -> None:
        logger = trainer.logger
        if isinstance(logger, TensorBoardLogger):
            name = path.stem.removesuffix(f"_epoch={epoch:03d}")
            logger.experiment.add_image(name, picture(path), epoch, dataformats="HWC")
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_artifact(logger.run_id, str(path), f"epoch={epoch:03d}")


def _logged_rows(clusters: ClusterDataset, setup: TrainingSetup) -> list[int]:
    """Groups spread over the scan, or those that the chosen patterns are the centres of."""
    chosen = setup.execution.recon_log_fixed_indices
    if chosen is None:
        count = min(setup.execution.recon_log_num_patches, len(clusters))
        return [int(row) for row in torch.linspace(0, len(clusters) - 1, count).long()]
    centres = {int(pattern): row for row, pattern in enumerate(clusters.members[:, 0])}
    missing = [pattern for pattern in chosen if pattern not in centres]
    if missing:
        raise DataError(
            "execution.recon_log_fixed_indices",
            f"the patterns {missing} are the centres of no training group",
            "choose others, or set torch.data.validation_fraction to 0",
        )
    return [centres[pattern] for pattern in chosen]
