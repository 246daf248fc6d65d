"""Frames of other orders and sizes as patterns `(n, N, N)`, changed when they are read."""

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from ptycho_torch.data.raw import Stored


@attrs.frozen(eq=False)
class ChangedFrames:
    """The frames of `stored` `(n, ...)`, each row turned by `change` into a frame of `shape` `(n, H, W)`."""

    stored: Stored
    shape: tuple[int, ...]
    change: Callable[[NDArray[Any]], NDArray[Any]]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in the file."""
        return self.stored.dtype

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """All with `...`, a slice, or rows that are sorted and without repeats."""
        return self.change(self.stored[rows])


def from_corner(stored: Stored) -> ChangedFrames:
    """Frames `(n, H, W)` whose zero frequency is at `[0, 0]`, with it at `[H//2, W//2]`."""
    return ChangedFrames(stored, stored.shape, partial(np.fft.fftshift, axes=(-2, -1)))


def turn(stored: Stored, flip_up_down: bool, flip_left_right: bool, transpose: bool) -> ChangedFrames:  # noqa: FBT001
    """The frames stored `(n, H, W)` with flip_up_down, then flip_left_right, then transpose of rows and columns."""
    count, height, width = stored.shape
    shape = (count, width, height) if transpose else stored.shape
    return ChangedFrames(stored, shape, partial(_turn, steps=(flip_up_down, flip_left_right, transpose)))


def _turn(frames: NDArray[Any], steps: tuple[bool, bool, bool]) -> NDArray[Any]:
    up_down, left_right, transpose = steps
    frames = frames[:, :: -1 if up_down else 1, :: -1 if left_right else 1]
    return frames.swapaxes(1, 2) if transpose else frames


Window = tuple[slice, slice]


def crop(stored: Stored, window: Window) -> ChangedFrames:
    """The window of every frame of stored `(n, H, W)`."""
    sides = (part.stop - part.start for part in window)
    return ChangedFrames(stored, (stored.shape[0], *sides), partial(_crop, window=window))


def _crop(frames: NDArray[Any], window: Window) -> NDArray[Any]:
    return frames[:, window[0], window[1]]


def square_window(frame: tuple[int, int], centre_yx: tuple[float, float]) -> Window:
    """The largest square of an even side whose pixel `[N//2, N//2]` is the nearest to centre_yx, inside a frame
    `(H, W)`. Raises ValueError where the centre lies outside."""
    nearest = [round(place) for place in centre_yx]
    half = min(min(place, length - place) for place, length in zip(nearest, frame, strict=True))
    if half < 1:
        raise ValueError(f"the beam centre {centre_yx} lies outside of frames of {frame[0]} x {frame[1]}")
    rows, columns = (slice(place - half, place + half) for place in nearest)
    return rows, columns


@attrs.frozen(eq=False)
class Raster:
    """A raster scan `(rows, columns, H, W)` as a list of frames, `(rows * columns, H, W)`."""

    stored: Stored

    @property
    def shape(self) -> tuple[int, ...]:
        """`(rows * columns, H, W)`."""
        rows, columns, height, width = self.stored.shape
        return rows * columns, height, width

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type in the file."""
        return self.stored.dtype

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """All with `...`, a slice, or rows that are sorted and without repeats; one line of the raster at a time, or
        all at once where a line is one frame."""
        chosen = np.arange(self.shape[0])[rows]
        if self.stored.shape[1] == 1:
            return self.stored[chosen][:, 0]
        line, column = np.divmod(chosen, self.stored.shape[1])
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        for number in np.unique(line):
            mine = line == number
            found[mine] = self.stored[number : number + 1][0][column[mine]]
        return found


def as_list(stored: Stored) -> Stored:
    """Frames `(n, H, W)` as they are; of a raster `(rows, columns, H, W)`, or with a channel `(n, H, W, 1)`, as such a
    list."""
    if len(stored.shape) == 4 and stored.shape[3] == 1:
        return ChangedFrames(stored, stored.shape[:3], _without_channel)
    return Raster(stored) if len(stored.shape) == 4 else stored


def _without_channel(frames: NDArray[Any]) -> NDArray[Any]:
    return frames[..., 0]
