"""HDF5 files are first read in a copy of this process: damage can make the HDF5 library crash, or compute for ever."""

import faulthandler
import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ptycho_torch.errors import DataError

# The copy may compute for so long; one that waits longer, for a slow disk, has shown nothing.
COMPUTE_S, WAIT_S = 10.0, 60.0
# A copy reads without another one.
IS_COPY = False
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGKILL)


def check_survival(path: Path, read: Callable[[], object], compute_s: float = COMPUTE_S) -> None:
    """Raise DataError where reading the file at path crashes a process, or makes it compute for more than compute_s.

    read: reads what will be read here afterwards. It is called in a fork of this process, where memory lies as here;
    errors that it raises there are left to the call here. Nothing is tried on systems other than Linux, where not all
    libraries survive a fork.
    """
    if IS_COPY or not sys.platform.startswith("linux"):
        return
    with warnings.catch_warnings():
        # Of threads that may hold a lock: the fork uses h5py alone, which takes its own lock before it.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _run(read, compute_s)
    _, status = os.waitpid(child, 0)
    ending = signal.Signals(os.WTERMSIG(status)) if os.WIFSIGNALED(status) else None
    if ending == signal.SIGPROF:
        message = f"is damaged: the HDF5 library does not finish reading it within {compute_s:g} s"
        raise DataError(str(path), message, "copy it again")
    # Others are sent by people, or by the clock.
    if ending in _CRASHES:
        raise DataError(str(path), f"is damaged: the HDF5 library crashes with it ({ending.name})", "copy it again")


def _run(read: Callable[[], object], compute_s: float) -> NoReturn:
    global IS_COPY  # noqa: PLW0603 - a fact about the process
    IS_COPY = True
    try:
        # A collection would copy the memory of all objects.
        gc.disable()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        faulthandler.disable()
        for number in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, compute_s)
        signal.setitimer(signal.ITIMER_REAL, WAIT_S)
        read()
    finally:
        # Not the end of an interpreter, whose files and threads are those of the other process.
        os._exit(0)
