"""The window of ptychodus, driven by its own widgets in a process of its own, without a screen.

python -m tests.compat.ptychodus.window IN OUT [MODEL]: opens settings.ini, diffraction.h5 and product.h5 of IN. With
MODEL, a `.ckpt`, it loads that; without, it exports and trains. Then it presses Infer, writes the object to
OUT/object.npy, what the lists offer to OUT/offers.json, and pictures of the window.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ptychodus.controller import ControllerCore
from ptychodus.model import ModelCore
from ptychodus.view import ViewCore
from PyQt5.QtCore import Qt, QTimer
from PyQt5.QtTest import QTest
from PyQt5.QtWidgets import QApplication, QComboBox, QDialog, QDialogButtonBox, QFileDialog, QLineEdit, QToolButton

LIMIT_S = 100.0


class Window:
    """The application with its main window, and the files that its dialogs are answered with."""

    def __init__(self, folder: Path) -> None:
        self.app = QApplication(["ptychodus"])
        self.model = ModelCore(None).__enter__()
        self.model.settings_registry.open_settings(folder / "settings.ini")
        diffraction = self.model.workflow_api.load_assembled_diffraction_data(folder / "diffraction.h5")
        self.model.workflow_api.load_product(folder / "product.h5", diffraction=diffraction)
        self.view = ViewCore(is_developer_mode_enabled=False)
        self.controller = ControllerCore(self.model, self.view, is_developer_mode_enabled=False)
        self.controller.show_main_window("ptychodus")
        self.view.resize(1500, 900)
        self.answer = Path()
        self.timer = QTimer()
        self.timer.timeout.connect(self._answer_dialog)
        self.timer.start(100)

    def _answer_dialog(self) -> None:
        """Type the name into the file dialog that is open, and accept it; any other dialog is an error message."""
        dialog = QApplication.activeModalWidget()
        if isinstance(dialog, QFileDialog):
            dialog.findChild(QLineEdit, "fileNameEdit").setText(str(self.answer))
            box = dialog.findChild(QDialogButtonBox)
            next(one for one in box.buttons() if box.buttonRole(one) == QDialogButtonBox.ButtonRole.AcceptRole).click()
        elif isinstance(dialog, QDialog):
            texts = [str(part.toPlainText()) for part in dialog.findChildren(object) if hasattr(part, "toPlainText")]
            print("dialog:", dialog.windowTitle(), *texts, file=sys.stderr, flush=True)
            dialog.reject()

    def wait(self, ready: Callable[[], bool]) -> None:
        """Run the application until it is ready."""
        deadline = time.monotonic() + LIMIT_S
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError
            self.app.processEvents()
            time.sleep(0.02)

    def picture(self, path: Path) -> None:
        """Write the window as it is on the screen."""
        for _ in range(20):
            self.app.processEvents()
            time.sleep(0.02)
        self.view.grab().save(str(path))


def _object(item: Any) -> Any:
    """The object of a product `(H, W)`; it is constant until its reconstruction has come back."""
    if item.is_failed():
        raise RuntimeError("the reconstruction failed")
    return item.get_product().object_.get_array()[0]


def _choose(list_: QComboBox, text: str) -> None:
    """Choose an entry by keys: a text that is set without one counts for nothing there."""
    QTest.keyClick(list_, Qt.Key.Key_Home)
    while list_.currentText() != text:
        QTest.keyClick(list_, Qt.Key.Key_Down)


def main(source: Path, target: Path, model: Path | None) -> None:
    """Do it all once."""
    target.mkdir()
    window = Window(source)
    processing: Any = window.controller._processing_controller
    actions, products = processing._actions_view, window.model.product_core.product_repository
    algorithms = processing._algorithm_view_controller.get_widget()
    offers = [algorithms.itemText(index) for index in range(algorithms.count())]
    (target / "offers.json").write_text(json.dumps(offers))
    window.view.processing_action.trigger()
    kind = "supervised" if model else "unsupervised"
    chosen = next(one for one in offers if one.endswith(f"_{kind}"))
    _choose(algorithms, chosen)
    window.picture(target / "before.png")
    shown = processing._product_view_controller.get_widget()
    shown.setCurrentText("simulated")
    before = len(products)
    if model is not None:
        window.answer = model
        processing._load_model_action.trigger()
    else:
        window.answer = target / "training" / "scan.npz"
        window.answer.parent.mkdir()
        processing._export_training_data_action.trigger()
        window.answer = window.answer.parent
        monitor = window.model.processing_core.processing_api.task_monitor
        ended = monitor.get_completed_runs() + 1
        actions.train_button.click()
        window.wait(lambda: monitor.get_completed_runs() == ended)
        monitor.raise_if_failed()
        # The window looks for a model when an algorithm is chosen, not at the end of a training.
        _choose(algorithms, next(one for one in offers if one != chosen))
        _choose(algorithms, chosen)
    window.wait(actions.reconstruct_button.isEnabled)
    actions.reconstruct_button.click()
    window.wait(lambda: len(products) > before and bool(np.ptp(np.abs(_object(products[before]))) > 0))
    np.save(target / "object.npy", _object(products[before]))
    window.view.object_action.trigger()
    tree = window.view.object_view.tree_view
    tree.setCurrentIndex(tree.model().index(before, 0))
    for button in window.view.object_image_view.findChildren(QToolButton):
        if button.toolTip() == "Home":
            button.click()
    window.picture(target / "object.png")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) > 3 else None)
