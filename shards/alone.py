"""One writer at a time in a directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(directory: Path, refusal: Exception) -> Iterator[None]:
    """Holds a lock on a directory, which the kernel lets go when its holder dies. Leaves no file. Raises `refusal`
    where another process holds it."""
    import fcntl

    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise refusal from error
    else:
        yield
    finally:
        os.close(descriptor)
