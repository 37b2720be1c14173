"""SIGTERM is Ctrl-C with another exit code, within the block alone."""

import signal
from threading import Thread

import pytest

from sequitur.pipeline.termination import held, sigterm_interrupts


def test_sigterm_interrupts_and_tells_so() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with sigterm_interrupts() as told:
        assert (told(0), told(130), told(1)) == (0, 130, 1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert (told(0), told(130), told(1)) == (0, 143, 143)
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_leaves_signals_alone() -> None:
    before, found = signal.getsignal(signal.SIGTERM), []

    def job() -> None:
        with sigterm_interrupts() as told:
            found.append((signal.getsignal(signal.SIGTERM), told(130)))

    thread = Thread(target=job)
    thread.start()
    thread.join()
    assert found == [(before, 130)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_end_of_what_holds_it(number: int) -> None:
    done = []

    def work() -> None:
        with held():
            signal.raise_signal(number)
            done.append(number)

    with sigterm_interrupts(), pytest.raises(KeyboardInterrupt):
        work()
    assert done == [number]
    with held():
        pass  # nothing waits
