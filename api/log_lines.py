"""Log lines of libraries, which a notebook shows although nobody asked for them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unasked_log_lines_hidden() -> Iterator[None]:
    """Keeps what Beam logs, as it is loaded and as it runs, from standard error, where logging was not set up.

    Handlers that were set up get all of it. Without one, Beam's first line would set up its own, for good.
    """
    nowhere = logging.NullHandler()
    logging.getLogger().addHandler(nowhere)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(nowhere)
