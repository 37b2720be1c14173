"""Work on several threads, whose results come in the order of what they are of: not in that in which they end.

What is done side by side are compiled loops and numpy's, which hold no lock. Each is the work of one thread.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from numba import njit

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 4  # results for each thread that may wait for one before them


def on_threads(threads: int, function: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """The function of each item, in the order of the items; so many at a time, or with one thread in this one.

    Items are taken as there is room, so that few results are held. The first error in that order is raised when what
    was begun has ended; the rest is not begun.
    """
    if threads == 1:
        yield from map(function, items)
        return
    _nothing()
    begun: deque[Future[B]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                begun.append(pool.submit(function, item))
                if len(begun) == AHEAD * threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for one in begun:
                one.cancel()


@njit(cache=True, nogil=True)
def _nothing() -> None:
    """What is called before threads are: numba makes itself ready at the first function of a process, and where two
    threads come to that at once, one of them may find types without what they stand for (KeyError)."""
