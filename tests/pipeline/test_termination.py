"""SIGTERM is Ctrl-C with another exit code, within the block alone."""

import signal
import sys
import time
from contextlib import suppress
from threading import Thread

import pytest

from sequitur.pipeline.termination import interrupts_prevail, sigterm_interrupts


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


class Finalized:
    """Sends a signal as it is finalized, where what the signal raises is printed and forgotten."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)
        time.sleep(0)  # the handler runs here


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_finalizer_forgot_is_raised_again(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    with sigterm_interrupts() as told:
        Finalized(number)  # goes on
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
    assert told(130) == (143 if number == signal.SIGTERM else 130)
    assert capsys.readouterr().err == ""


def test_what_else_a_finalizer_raises_is_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __del__(self) -> None:
            raise ValueError("broken")

    found: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: found.append(what.exc_type))
    ours = sys.unraisablehook
    with sigterm_interrupts():
        Broken()
    assert found == [ValueError]
    assert sys.unraisablehook == ours
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("error", [SystemError("returned a result with an exception set"), None])
def test_an_interrupt_that_became_another_error_or_none_is_one(number: int, error: Exception | None) -> None:
    def work() -> None:
        with suppress(KeyboardInterrupt):
            signal.raise_signal(number)
        if error is not None:
            raise error

    before = signal.getsignal(number)
    with sigterm_interrupts(), pytest.raises(KeyboardInterrupt) as raised, interrupts_prevail():
        work()
    assert raised.value.__cause__ is error
    assert signal.getsignal(number) == before


def test_without_an_interrupt_an_error_is_what_it_is() -> None:
    with pytest.raises(ValueError, match="of its own"), interrupts_prevail():
        raise ValueError("of its own")
    with interrupts_prevail():
        pass
