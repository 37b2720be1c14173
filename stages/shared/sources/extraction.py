"""Pages of HTML → records, through one process that is started when the first page comes, and anew when a page ends it.

Not datatrove's ExtractorSandbox: that one forks, which a worker with threads must not do, has no bound on memory, and
takes the time of starting for the first page's.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sequitur.pipeline.errors import OverMemory, StageFailed
from sequitur.pipeline.names import EXTRACTION_FAILED, EXTRACTION_TIMEOUT
from sequitur.stages.shared.sources.page_text import OUT_OF_MEMORY, receive, send
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.web_records import Page

# A page of 5 MB took 33 times its bytes, and 10 seconds, measured; larger ones are too slow before they are too large.
MEMORY = 2 * 2**30
PROCESS_BYTES = 200_000_000  # of the process with usual pages, measured


class Extraction:
    """A context manager; constructing and entering it costs nothing.

    Args:
        seconds: of processor time that one page may take.
        limit: bytes that a page may unpack to.
    """

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds, self._limit = seconds, limit
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Extraction:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process, if there is one; the next page starts another."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def record(self, page: Page, text_field: str) -> Mapping[str, Any] | Bad:
        """The page's fields with its title, and its text under that name, or why there are none. Depends on the page
        alone.

        Raises:
            OverMemory: the process was killed from outside, which says nothing about the page.
            StageFailed: the process cannot be started.
        """
        is_fresh = self._process is None
        reply, code = self._ask(page)
        if reply is None and not is_fresh and code not in _TIMERS:
            reply, code = self._ask(page)  # what earlier pages left in memory must not decide
        if reply is None:
            return self._ended_by(code)
        found = json.loads(reply)
        if "reason" in found:
            return Bad(found["reason"], found["detail"])
        title = {"title": found["title"]} if found["title"] else {}
        return {**title, **page.fields, text_field: found["text"]}

    def _ask(self, page: Page) -> tuple[bytes | None, int]:
        """The reply, or None and the process's exit code."""
        process = self._process or self._start()
        head = {"charset": page.charset, "codings": page.codings, "chunked": page.chunked, "kind": page.kind}
        try:
            send(_pipe(process.stdin), json.dumps(head).encode())
            send(_pipe(process.stdin), page.content)
            reply = receive(_pipe(process.stdout))
        except BrokenPipeError:
            reply = None
        return reply, 0 if reply is not None else self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        script = str(Path(__file__).with_name("page_text.py"))
        # -P: this folder, where select.py and tokenize.py lie, must not come before the standard library.
        command = [sys.executable, "-P", script, str(self._seconds), str(MEMORY), str(self._limit)]
        with tempfile.TemporaryFile() as said:
            # A session of its own: Ctrl-C is for the run, and must not look as if a page had failed.
            self._process = subprocess.Popen(  # noqa: S603 - our own script
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                start_new_session=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # which else sets memory apart for each core
            )
            if receive(_pipe(self._process.stdout)) is None:
                code = self._end()
                said.seek(0)
                words = said.read().decode("utf-8", "replace").strip().rpartition("\n")[2] or _name(code)
                raise StageFailed(f"{script}: does not start ({words}); check the installation of trafilatura")
        return self._process

    def _end(self) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        _pipe(process.stdout).close()
        code = process.wait()
        with suppress(BrokenPipeError):  # what was not sent is not needed
            _pipe(process.stdin).close()
        return code

    def _ended_by(self, code: int) -> Bad:
        if code in _TIMERS:
            return Bad(EXTRACTION_TIMEOUT, f"more than {self._seconds:g} seconds")
        if code in (-signal.SIGKILL, -signal.SIGTERM):
            raise OverMemory(
                f"the process that reads web pages was ended from outside ({_name(code)}); if the machine ran out of "
                "memory use fewer --workers; the same command goes on where it stopped"
            )
        if code == OUT_OF_MEMORY:
            return Bad(EXTRACTION_FAILED, f"takes more than {MEMORY:,} bytes of memory")
        return Bad(EXTRACTION_FAILED, f"ended the process that read it ({_name(code)})")


_TIMERS = (-signal.SIGPROF, -signal.SIGALRM)


def _name(code: int) -> str:
    return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


def _pipe(pipe: IO[bytes] | None) -> Any:
    if pipe is None:
        raise TypeError("the process was started without pipes")
    return pipe
