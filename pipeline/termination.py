"""SIGTERM ends what goes on as Ctrl-C does, with what was finished kept, and an exit code of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED, TERMINATED = 130, 143  # as shells tell SIGINT and SIGTERM


@contextmanager
def sigterm_interrupts() -> Iterator[Callable[[int], int]]:
    """Within the block SIGTERM, which schedulers send and machines that shut down, raises KeyboardInterrupt in the main
    thread. Gives a function from the exit code that would be told to the one that is to be told."""
    received: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are not this thread's to handle
        yield lambda code: code
        return
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield lambda code: TERMINATED if code and received else code
    finally:
        signal.signal(signal.SIGTERM, previous if previous is not None else signal.SIG_DFL)


@contextmanager
def held() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM wait, and take effect at its end. For imports: what a signal raises in one of
    importlib's callbacks is printed and forgotten, and the program goes on."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[int] = []
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {one: signal.signal(one, lambda number, frame: waiting.append(number)) for one in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if waiting:
            signal.raise_signal(waiting[0])
