"""The text of web pages: ours, and datatrove's Trafilatura, on the same pages.

    python -m benchmarks.extraction --pages FOLDER_OR_WARC [--evaluation DIRECTORY [--every N] [--others]]

The pages are the files *.html of a folder, or those of a WARC file. Both extract in a process beside, as in a run, one
page at a time; they take turns of 25 pages. Seconds are of the processors of both processes, without the start.
datatrove has its defaults, but 60 seconds for a page, and gets characters, while ours has to find them in the bytes.

Prints one JSON object last: `pages`, `mb`, `pages_per_s` and `datatrove_pages_per_s`, their ratio
`extraction_vs_datatrove`, and `same_text`: the share of pages of which ours is what trafilatura gives by itself with
datatrove's settings, without its memory of earlier pages.

The evaluation is the directory `tests` of trafilatura's repository (evaldata.json, with pages in `cache` and `eval`):
snippets that a page's text should have, and such as it should not. It adds `f1`, `precision`, `recall` for ours and
`datatrove_…`; its pages are taken where --pages is not given. With --others `others` has the same figures of whatever
else is installed (resiliparse, rs_trafilatura) and of trafilatura with other settings, by calls in this process.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sequitur.pipeline.sections import Ingest
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.extraction import Extraction
from sequitur.stages.shared.sources.page_text import decoded
from sequitur.stages.shared.sources.record_files import Bad
from sequitur.stages.shared.sources.web_records import Page, page_file, warc_records

LIMIT = 50_000_000  # bytes of a page
SECONDS = 60.0  # that a page may take
TURN = 25  # pages
SMALL = Page(b"<html><body><article>" + b"<p>Some words.</p>" * 50 + b"</article></body></html>")

Extract = Callable[[str], str | None]


@dataclass
class Snippets:
    """What the text of one page should have, and what not."""

    wanted: Sequence[str]
    unwanted: Sequence[str]


def pages_of(path: Path) -> Iterator[Page]:
    limits = Limits(LIMIT, 2**40)
    if path.is_dir():
        found = [page_file(str(file), "html", limits) for file in sorted(path.rglob("*.html"))]
    else:
        found = [record for _, record in warc_records(str(path), limits, Ingest(inputs=[str(path)]))]
    return (page for page in found if isinstance(page, Page))


def evaluation_of(directory: Path) -> Iterator[tuple[Page, Snippets]]:
    for item in json.loads((directory / "evaldata.json").read_text(encoding="utf-8")).values():
        file = next(file for part in ("cache", "eval") if (file := directory / part / item["file"]).is_file())
        yield Page(file.read_bytes()), Snippets(item["with"], item["without"])


def characters(page: Page) -> str:
    return decoded(page.content, page.charset)


def processor_seconds() -> float:
    """Of this process and of those that it started and that run."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children())]
    return sum(each.user + each.system for each in times)


def by_turns(pages: Sequence[Page]) -> tuple[list[list[str | None]], list[float]]:
    """Texts and seconds, ours and datatrove's."""
    from datatrove.pipeline.extractors import Trafilatura
    from datatrove.pipeline.extractors.base import ExtractorSandbox

    extractor = Trafilatura(timeout=SECONDS)
    extractor.extract(characters(SMALL))  # so that the process beside has it imported
    with Extraction(SECONDS, LIMIT) as extraction, ExtractorSandbox(timeout=SECONDS) as sandbox:

        def ours(page: Page) -> str | None:
            record = extraction.record(page, "text")
            return None if isinstance(record, Bad) else record["text"]

        def theirs(text: str) -> str | None:
            return sandbox.process_document(text, extractor.extract)

        ours(SMALL), theirs(characters(SMALL))
        texts: list[list[str | None]] = [[], []]
        seconds = [0.0, 0.0]
        for start in range(0, len(pages), TURN):
            turn = pages[start : start + TURN]
            inputs = [turn, list(map(characters, turn))]
            for which, extract in enumerate((ours, theirs)):
                started = processor_seconds()
                texts[which] += map(extract, inputs[which])
                seconds[which] += processor_seconds() - started
    return texts, seconds


def scores(texts: Sequence[str | None], snippets: Sequence[Snippets]) -> dict[str, float]:
    """Of all snippets together, white space taken as one, as trafilatura's own evaluation counts."""
    found, missed, wrong = 0, 0, 0
    for text, wished in zip(texts, snippets, strict=True):
        line = _in_one_line(text or "")
        hits = sum(_in_one_line(snippet) in line for snippet in wished.wanted)
        found, missed = found + hits, missed + len(wished.wanted) - hits
        wrong += sum(_in_one_line(snippet) in line for snippet in wished.unwanted)
    precision, recall = found / max(found + wrong, 1), found / max(found + missed, 1)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def _in_one_line(text: str) -> str:
    return " ".join(text.split())


def others() -> Iterator[tuple[str, Extract]]:
    from trafilatura import extract

    for name, options in {
        "trafilatura_precision_fast": {"favor_precision": True, "fast": True},
        "trafilatura_balanced": {},
        "trafilatura_balanced_fast": {"fast": True},
    }.items():
        yield name, lambda text, options=options: extract(text, include_comments=False, **options)
    try:
        from resiliparse.extract.html2text import extract_plain_text

        options = {"links": False, "alt_texts": False, "form_fields": False, "noscript": False, "comments": False}
        yield "resiliparse", lambda text: extract_plain_text(text, main_content=True, list_bullets=False, **options)
    except ImportError:
        print("resiliparse: not installed", file=sys.stderr)
    try:
        import rs_trafilatura

        yield "rs_trafilatura", lambda text: rs_trafilatura.extract(text).main_content
    except ImportError:
        print("rs_trafilatura: not installed", file=sys.stderr)


def measured(extract: Extract, texts: Sequence[str]) -> tuple[list[str | None], float]:
    """What one gives, None where it fails, and pages a second."""
    extract(characters(SMALL))
    results: list[str | None] = []
    started = time.process_time()
    for text in texts:
        try:
            results.append(extract(text))
        except Exception as error:
            print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
            results.append(None)
    return results, len(texts) / (time.process_time() - started)


def compared(pages: Sequence[Page]) -> tuple[list[list[str | None]], dict[str, Any]]:
    from datatrove.pipeline.extractors import Trafilatura

    texts, seconds = by_turns(pages)
    alone = Trafilatura(deduplicate=False)
    same = sum((alone.extract(characters(page)) or None) == ours for page, ours in zip(pages, texts[0], strict=True))
    return texts, {
        "pages": len(pages),
        "mb": round(sum(len(page.content) for page in pages) / 1e6, 1),
        "pages_per_s": round(len(pages) / seconds[0], 1),
        "datatrove_pages_per_s": round(len(pages) / seconds[1], 1),
        "extraction_vs_datatrove": round(seconds[1] / seconds[0], 2),
        "same_text": round(same / len(pages), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, help="a folder with *.html, or a WARC file")
    parser.add_argument("--evaluation", type=Path, help="the directory tests of trafilatura's repository")
    parser.add_argument("--others", action="store_true", help="measure other extractors on the evaluation, too")
    parser.add_argument("--every", type=int, default=1, help="take each N-th page of the evaluation")
    arguments = parser.parse_args()
    if arguments.pages is None and arguments.evaluation is None:
        parser.error("give --pages or --evaluation")
    logging.disable(logging.CRITICAL)  # of what trafilatura finds strange in pages
    result: dict[str, Any] = {}
    if arguments.evaluation is not None:
        pages, snippets = zip(*list(evaluation_of(arguments.evaluation))[:: arguments.every], strict=True)
        texts, result = compared(pages)
        result |= scores(texts[0], snippets)
        result |= {f"datatrove_{name}": score for name, score in scores(texts[1], snippets).items()}
        if arguments.others:
            result["others"] = {}
            for name, extract in others():
                found, rate = measured(extract, list(map(characters, pages)))
                result["others"][name] = {"pages_per_s": round(rate, 1), **scores(found, snippets)}
                print(name, result["others"][name], file=sys.stderr)
    if arguments.pages is not None:
        result |= compared(list(pages_of(arguments.pages)))[1]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
