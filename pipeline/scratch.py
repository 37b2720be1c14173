"""Arrays that may be larger than memory: on this machine's disk, mapped, and gone with the process that made them.

They fill memory while there is room. Where there is none, the system writes their pages to disk, as it does not with
those of other arrays.
"""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import DTypeLike

from sequitur.pipeline import nearby
from sequitur.pipeline.errors import from_storage
from sequitur.pipeline.storage import Directory

IN_MEMORY = 2**20  # bytes of an array that is not worth a file


def beside(directory: Directory) -> Callable[[int | tuple[int, ...], DTypeLike], np.ndarray]:
    """Makes arrays, as `np.empty` does, on the disk of a directory, or of its copies where it lies elsewhere.

    Their bytes are reserved at once: a disk that gets full later would kill the process. Where the disk of a directory
    has no room for them, arrays raise StorageFull; where that of copies has none, memory holds them, as it does copies.
    """
    place = place_beside(directory)

    def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
        count = math.prod(shape if isinstance(shape, tuple) else (shape,))
        size = count * np.dtype(dtype).itemsize
        try:
            if size <= IN_MEMORY or (not directory.is_local and nearby.without_room(size)):
                return np.empty(shape, dtype)
            with tempfile.TemporaryFile(dir=place) as file:
                file.truncate(size)
                if hasattr(os, "posix_fallocate"):  # not on macOS
                    os.posix_fallocate(file.fileno(), 0, size)
                return np.frombuffer(mmap.mmap(file.fileno(), size), dtype, count).reshape(shape)
        except OSError as error:
            raise from_storage(error, place) from error

    return empty


def file_beside(directory: Directory) -> BinaryIO:
    """A file for reading and writing, on the disk of a directory, or of its copies where it lies elsewhere; it has no
    name, and is gone when it is closed."""
    place = place_beside(directory)
    try:
        return cast(BinaryIO, tempfile.TemporaryFile(dir=place))
    except OSError as error:
        raise from_storage(error, place) from error


def bytes_beside(directory: Directory, pieces: Iterable[np.ndarray]) -> np.ndarray:
    """Pieces of uint8 end to end in one array, mapped from such a file. Memory: a piece."""
    try:
        with file_beside(directory) as file:
            size = sum(file.write(piece.data) for piece in pieces)
            file.flush()
            return np.frombuffer(mmap.mmap(file.fileno(), size), np.uint8) if size else np.empty(0, np.uint8)
    except OSError as error:
        raise from_storage(error, place_beside(directory)) from error


def place_beside(directory: Directory) -> str:
    """Where such arrays and files lie."""
    return directory.path() if directory.is_local else nearby.folder(directory)
