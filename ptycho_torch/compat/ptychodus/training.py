"""The calls with which ptychodus trains, in the order in which it makes them."""

import enum
import logging
import secrets
import time
from pathlib import Path
from typing import Any, ClassVar

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_config import Resolved, Sources, update_legacy_dict
from ptycho_config.legacy import LegacyDelta, legacy_params
from ptycho_config.schema import TrainingSetup
from ptycho_torch.api.training import open_training
from ptycho_torch.compat.ptychodus.checkpoint import FLAT, read_checkpoint, write_checkpoint
from ptycho_torch.compat.ptychodus.ranks import first_rank, other_ranks
from ptycho_torch.compat.ptychodus.settings import DataConfig, InferenceConfig, ModelConfig, TrainingConfig
from ptycho_torch.compat.ptychodus.settings_layer import RECOMMENDED, client_layer
from ptycho_torch.device import choose_device, seed_or_fresh
from ptycho_torch.errors import DataError
from ptycho_torch.files import create_writable_folder, write_json
from ptycho_torch.output.bundle import Bundle
from ptycho_torch.output.derivation import derivation_of
from ptycho_torch.output.run_records import to_json
from ptycho_torch.reconstruction.trained_model import Trained, restore_model
from ptycho_torch.training.datasets import TrainingData, TrainingScans, training_data
from ptycho_torch.training.fit import training_record, untrained_model
from ptycho_torch.training.ranks import world_size
from ptycho_torch.training.trainer import Session, prepare, run

logger = logging.getLogger(__name__)


class DataloaderFormats(enum.Enum):
    """The ways in which training data is loaded: there is one."""

    LIGHTNING = "lightning_only_module"


@attrs.define
class ConfigManager:
    """The five flat configs of a run."""

    data_config: DataConfig = attrs.field(factory=DataConfig)
    model_config: ModelConfig = attrs.field(factory=ModelConfig)
    training_config: TrainingConfig = attrs.field(factory=TrainingConfig)
    inference_config: InferenceConfig = attrs.field(factory=InferenceConfig)
    datagen_config: Any = None

    @property
    def flats(self) -> dict[str, Any]:
        """Those that a model file keeps, by name."""
        return {name: getattr(self, name) for name in FLAT}

    @classmethod
    def from_loaded_model(cls, ptycho_model: "PtychoModel") -> "ConfigManager":
        """The configs that a model was loaded with."""
        return cls(**ptycho_model.flats)

    def validate_arch_compatibility(self, ptycho_model: "PtychoModel") -> None:
        """ValueError where what decides the network is not what the model was trained with."""
        _, trained = ptycho_model.loaded
        for name in ("data_config", "model_config"):
            ours, theirs = attrs.asdict(self.flats[name]), attrs.asdict(trained[name])
            other = [f"{key} {theirs[key]!r}, not {ours[key]!r}" for key in ours if ours[key] != theirs[key]]
            if other:
                raise ValueError(f"the model was trained with {'; '.join(other)}: train again")


class PtychoPINN_Lightning:  # noqa: N801 - the client's name for it
    """A model: nothing before its training, weights and configuration after it."""

    loss_name: ClassVar[str] = "train_loss"
    val_loss_name: ClassVar[str] = "val_loss"

    def __init__(self, trained: Trained | None = None, flats: dict[str, Any] | None = None) -> None:
        self.trained, self.flats = trained, flats

    @classmethod
    def load_from_checkpoint(cls, path: Path | str, **_: Any) -> "PtychoPINN_Lightning":
        """The model in a file; its configuration is in there too. Raises DataError."""
        bundle, flats = read_checkpoint(Path(path))
        return cls(Trained(restore_model(bundle, str(path)), bundle.setup, bundle), flats)


class PtychoModel:
    """A model with the flat configs that it is used with."""

    def __init__(self, **configs: Any) -> None:
        self.flats = {name: configs[name] for name in FLAT}
        self.model = PtychoPINN_Lightning()

    @classmethod
    def _new_model(cls, model: type[PtychoPINN_Lightning], config_manager: ConfigManager) -> "PtychoModel":
        made = cls(**config_manager.flats)
        made.model = model()
        return made

    @staticmethod
    def _extract_configs_from_checkpoint(path: str) -> tuple[Any, ...]:
        return tuple(read_checkpoint(Path(path))[1].values())

    @property
    def loaded(self) -> tuple[Trained, dict[str, Any]]:
        """The trained model, and the flat configs that it was trained with."""
        if self.model.trained is None or self.model.flats is None:
            raise DataError("the model", "holds no weights", "train one, or load a .ckpt")
        return self.model.trained, self.model.flats


@attrs.frozen(eq=False)
class Arrays:
    """A scan in memory: patterns `(n, N, N)`, probe `(P, N, N)`, positions `(n, 2)` as (y, x) from
    the centre of the first pixel of the client's object array."""

    patterns: NDArray[Any]
    probe: NDArray[Any]
    position_yx: NDArray[np.float64]


class PtychoDataLoader:
    """The scans of a folder that are trained on, and the new folder of the run."""

    arrays: Arrays | None = None

    def __init__(
        self,
        data_dir: Path | str,
        config_manager: ConfigManager,
        data_format: DataloaderFormats = DataloaderFormats.LIGHTNING,
        output_dir: Path | str = "outputs",
    ) -> None:
        self.data_format = data_format
        stamp = f"run_{time.strftime('%Y%m%d_%H%M%S')}_{secrets.token_hex(4)}"
        self.output_dir = Path(output_dir).absolute() / stamp
        self.configs, self.delta, self.opened = resolve_client(Path(data_dir), self.output_dir, config_manager)

    @classmethod
    def from_np(
        cls,
        diff_patterns: NDArray[Any],
        probe: NDArray[Any],
        positions: NDArray[np.float64],
        config_manager: ConfigManager,  # noqa: ARG003 - the client passes it
    ) -> "PtychoDataLoader":
        """A scan in memory, to be reconstructed."""
        made = cls.__new__(cls)
        made.arrays = Arrays(diff_patterns, probe, np.asarray(positions, np.float64))
        return made


def resolve_client(
    scans: Path, folder: Path, manager: ConfigManager
) -> tuple[Resolved[TrainingSetup], LegacyDelta, TrainingScans]:
    """The setup of a training, with the reason of every value, and its opened scans; writes nothing.

    folder: of the run; manager: the client's configs. A folder as `scans` means its NPZ files, which is what
    ptychodus exports, and its other scans only where there are none.
    """
    if scans.is_dir() and any(scans.glob("*.npz")):
        scans = scans / "*.npz"
    sources = Sources(client=client_layer(TrainingSetup, *manager.flats.values()))
    return open_training(scans, folder / "training", profile=RECOMMENDED, sources=sources)


@attrs.frozen(eq=False)
class Trainer:
    """A training that is ready to start."""

    model: PtychoModel
    loader: PtychoDataLoader
    session: Session
    data: TrainingData
    seed: int
    world: int
    loading_s: float

    @property
    def _trainer(self) -> Any:
        """Lightning's trainer, to which callbacks may be added."""
        return self.session.trainer

    @classmethod
    def _from_lightning(cls, model: PtychoModel, dataloader: PtychoDataLoader, **_: Any) -> "Trainer":
        """Read the scans and build network and trainer. The caller's process is the first of several."""
        start = time.perf_counter()
        setup = dataloader.configs.config
        update_legacy_dict(legacy_params, dataloader.delta)
        seed = seed_or_fresh(setup.training.subsample_seed)
        world = world_size(setup.execution, choose_device(setup.execution.accelerator))
        data = training_data(setup, seed, dataloader.opened)
        folder = create_writable_folder(setup.training.output_dir)
        sets = (data.training, data.validation)
        with first_rank(world):
            session = prepare(untrained_model(setup, data, seed), setup, *sets, seed=seed, folder=folder)
        return cls(model, dataloader, session, data, seed, world, time.perf_counter() - start)

    def train(self, **_: Any) -> None:
        """Train, then write `checkpoints/best-checkpoint.ckpt` into the folder of the run."""
        session, setup, verdict = self.session, self.session.setup, self.data.verdict
        logger.log(logging.INFO if verdict.level == "sound" else logging.WARNING, "%s", verdict)
        logger.info("Training on %d groups, %d epochs", len(self.data.training), session.trainer.max_epochs)
        with other_ranks(setup, self.seed, self.world):
            outcome = run(session)
        derivation = derivation_of(self.loader.configs)
        record = training_record(session.model, self.data, outcome, self.loading_s, self.seed)
        objects = (scan.object for scan in self.loader.opened.training if scan.object is not None)
        record = attrs.evolve(record, object_shapes=tuple((one.shape[-2], one.shape[-1]) for one in objects))
        bundle = Bundle(setup, session.model.state_dict(), derivation, record)
        folder = self.loader.output_dir
        write_json(create_writable_folder(folder / "configs") / "config.json", {"training": to_json(derivation)})
        checkpoint = create_writable_folder(folder / "checkpoints") / "best-checkpoint.ckpt"
        write_checkpoint(checkpoint, bundle, self.model.flats)
        self.model.model = PtychoPINN_Lightning(Trained(session.model, setup, bundle), self.model.flats)
        best, loss = outcome.kept_epoch, outcome.history.val_loss[outcome.kept_epoch]
        logger.info("Trained in %.1f s, validation loss %.5f in epoch %d", outcome.seconds, loss, best + 1)
