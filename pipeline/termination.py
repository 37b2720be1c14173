"""SIGTERM ends what goes on as Ctrl-C does, with what was finished kept, and an exit code of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED, TERMINATED = 130, 143  # as shells tell SIGINT and SIGTERM
AGAIN = 0.02  # seconds after which an interrupt that was forgotten is raised again: the callback is over by then


@contextmanager
def sigterm_interrupts() -> Iterator[Callable[[int], int]]:
    """Within the block SIGTERM, which schedulers send and machines that shut down, raises KeyboardInterrupt in the main
    thread. Gives a function from the exit code that would be told to the one that is to be told.

    What a signal raises while Python is in a finalizer or in a callback from C is printed and forgotten there, and the
    program would go on: within the block it is raised again, until it ends something. Takes SIGALRM and
    `sys.unraisablehook` for that."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    def raise_again(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def forgotten(what: sys.UnraisableHookArgs) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            told_by_python(what)

    if threading.current_thread() is not threading.main_thread():  # signals are not this thread's to handle
        yield lambda code: code
        return
    handlers = {signal.SIGTERM: interrupt, signal.SIGALRM: raise_again}
    previous = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    told_by_python, sys.unraisablehook = sys.unraisablehook, forgotten
    try:
        yield lambda code: TERMINATED if code and received else code
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = told_by_python
        for one, handler in previous.items():
            signal.signal(one, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def interrupts_prevail() -> Iterator[None]:
    """However the block ends after SIGINT or SIGTERM came, it ends with KeyboardInterrupt: where compiled code calls
    Python, what a signal raises is at times forgotten, or becomes an error of another name."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def noted(handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], object]:
        def handle(number: int, frame: FrameType | None) -> object:
            received.append(number)
            return handler(number, frame)

        return handle

    previous = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    handlers = {one: handler for one, handler in previous.items() if callable(handler)}
    for one, handler in handlers.items():
        signal.signal(one, noted(handler))
    try:
        yield
    except Exception as error:
        if received:
            raise KeyboardInterrupt from error
        raise
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
    if received:
        raise KeyboardInterrupt
