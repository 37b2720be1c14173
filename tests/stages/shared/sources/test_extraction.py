"""The process that reads pages: what one page may take, and what ends it harms no other."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from web_pages import LIMIT, SENTENCE, SLOW, html

from sequitur.pipeline.errors import OverMemory, StageFailed
from sequitur.stages.shared.sources import extraction
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.web_records import Page


@pytest.fixture(scope="module")
def pages() -> Iterator[Extraction]:
    with Extraction(60, LIMIT) as extraction:
        yield extraction


def test_a_page_that_takes_too_much_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "MEMORY", 150_000_000)
    with Extraction(60, len(SLOW)) as pages:
        assert [_reason(pages.record(page, "text")) for page in (Page(html()), Page(SLOW), Page(html()))] == [
            None,
            "extraction_failed",
            None,
        ]


def _reason(record: Any) -> str | None:
    return record.reason if isinstance(record, Bad) else None


def test_a_process_that_died_between_pages_is_replaced() -> None:
    with Extraction(60, LIMIT) as pages:
        assert _reason(pages.record(Page(html()), "text")) is None
        assert pages._process is not None
        pages._process.send_signal(signal.SIGSEGV)
        pages._process.wait()
        assert _reason(pages.record(Page(html()), "text")) is None


def test_a_kill_from_outside_is_not_the_pages_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    start = Extraction._start

    def start_and_kill(extraction: Extraction) -> subprocess.Popen[bytes]:
        process = start(extraction)
        process.kill()
        process.wait()
        return process

    monkeypatch.setattr(Extraction, "_start", start_and_kill)
    with Extraction(60, LIMIT) as pages, pytest.raises(OverMemory, match=r"SIGKILL.*fewer --workers"):
        pages.record(Page(html()), "text")


def test_a_process_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Extraction(60, LIMIT) as pages, pytest.raises(StageFailed, match=r"does not start \(exit code 1\)"):
        pages.record(Page(html()), "text")


def test_the_process_ends_with_its_parent() -> None:
    script = """
import sys
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.web_records import Page
with Extraction(1, 2**30) as pages:
    pages._start()
    print(pages._process.pid, flush=True)
    while True:
        pages.record(Page(sys.argv[1].encode() * 2_000), "text")
"""
    command = [sys.executable, "-c", script, f"<p>{SENTENCE}</p>"]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[4])
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.05)


def test_the_same_page_always_gives_the_same_text(pages: Extraction) -> None:
    """datatrove's default would drop a paragraph that earlier pages had twice."""
    page = Page(html(SENTENCE * 3))
    assert len({json.dumps(pages.record(page, "text")) for _ in range(4)}) == 1
