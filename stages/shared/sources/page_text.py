"""The text of a page of HTML, a PDF or an EPUB, in a process of its own: one that stalls, fills or crashes it harms no
other.

Started by `extraction` beside it as `python -P page_text.py SECONDS MEMORY LIMIT`. It imports nothing of ours.

On standard input come pages, each as two frames: a JSON object (`charset`, `codings`, `chunked`, `kind`) and the
content. For each a frame goes back: a JSON object with `text` and `title`, or with `reason` and `detail`. The first
frame, an empty object, says that all is imported and warm. A frame is its length, 8 bytes little-endian, and as many
bytes.

The process ends itself, by a timer of the kernel, when a page takes longer than SECONDS of processor time; so it needs
no watcher, and outlives a parent that was killed by that long at most. It ends with `OUT_OF_MEMORY` where a page takes
more than MEMORY bytes, and with its input.
"""

from __future__ import annotations

import codecs
import importlib.metadata  # which datatrove uses and does not import
import importlib.util
import io
import json
import logging
import os
import re
import resource
import signal
import sys
import unicodedata
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

# As pipeline/names.py has them.
EXTRACTION_FAILED, NO_TEXT, TOO_LARGE = "extraction_failed", "no_text", "too_large"
OUT_OF_MEMORY = 3
# A page that waits rather than computes (for memory on disk, say) is ended after this many times its seconds.
PATIENCE = 20
# A page of usual length, and a short one, for which trafilatura asks jusText and its lists of words (0.3 s to load).
WARM_UP = ["<html><head><title>t</title></head><body><article>" + "<p>Some words.</p>" * count for count in (50, 1)]
MAX_CODINGS = 4
MAX_TITLE = 1000  # characters
DETECTED_BYTES = 2**16

BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
DECLARATION = re.compile(rb"""<(?:meta\b|\?xml\b)[^>]*?\b(?:charset|encoding)\s*=\s*["']?\s*([\w:.-]{1,40})""", re.I)
# What browsers take these labels for (WHATWG Encoding Standard, 4.2), by Python's names.
WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}


class Refused(Exception):
    """Carries the reason and the detail of a reject."""


def unpacked(content: bytes, codings: str, limit: int) -> bytes:
    """An HTTP body without its content codings, of which none unpacks to more than the limit.

    A body that says it is packed and begins with a tag is taken as it is: archives often hold it unpacked.
    """
    names = [name.strip().lower() for name in codings.split(",") if name.strip()]
    if content.lstrip()[:1] == b"<" or not names:
        return content
    if len(names) > MAX_CODINGS:
        raise Refused(EXTRACTION_FAILED, f"{len(names)} content codings")
    for name in reversed(names):
        try:
            content = _without(name, content, limit + 1)
        except zlib.error as error:
            raise Refused(EXTRACTION_FAILED, f"damaged {name} content: {error}") from error
        if len(content) > limit:
            raise Refused(TOO_LARGE, f"unpacks to more than {limit:,} bytes")
    return content


def _without(name: str, content: bytes, size: int) -> bytes:
    """At most `size` bytes of what one content coding holds; a stream that is cut gives what it has."""
    if name == "identity":
        return content
    if name in ("gzip", "x-gzip"):
        return zlib.decompressobj(31).decompress(content, size)
    if name == "deflate":
        try:
            return zlib.decompressobj().decompress(content, size)
        except zlib.error:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size)  # as some servers mean it
    raise Refused(EXTRACTION_FAILED, f"the content coding {name[:40]!r} is not known")


def decoded(content: bytes, charset: str | None) -> str:
    """The characters of a page. Never fails: bytes that mean nothing become U+FFFD.

    By its byte order mark; else as UTF-8 where hardly anything contradicts that, which no other encoding is by chance,
    while servers declare others by default; else by what the page, then HTTP declares; else by a guess, which takes
    Latin letters for windows-1252: one encoding of them cannot be told from another by statistics of a short page.
    """
    for mark, name in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(name, "replace")
    if b"\0" not in content and (text := _if_hardly_broken(content, "utf-8", 0.01)) is not None:
        return text
    found = DECLARATION.search(content[:4096])
    labels = [found[1].decode("ascii", "ignore") if found else None, charset]
    declared = [codec for codec in map(_codec, labels) if codec]
    # Without zero bytes UTF-16 and UTF-32 are none, though the page were of a length that they could read.
    likely = [codec for codec in declared if not codec.startswith(("utf-16", "utf-32")) or b"\0" in content]
    for codec in [*likely, "utf-8"]:
        with suppress(ValueError, LookupError):
            return content.decode(codec)
    for codec in likely:
        if (text := _if_hardly_broken(content, codec, 0.1)) is not None:
            return text
    return _guessed(content)


def _if_hardly_broken(content: bytes, codec: str, most: float) -> str | None:
    """The characters, if there is more than ASCII, of which a share of `most` is broken at most, or one sequence."""
    try:
        text = content.decode(codec, "replace")
    except (ValueError, LookupError):
        return None
    replaced = text.count("\ufffd")
    whole = len(text) - len(text.encode("ascii", "ignore")) - replaced
    broken = replaced - (content.count("\ufffd".encode()) if codec == "utf-8" else 0)
    return text if whole >= 3 * broken and whole > 0 and broken <= max(1, most * whole) else None


def _codec(label: str | None) -> str | None:
    """Python's name of a declared character encoding, or of the one that browsers take it for."""
    try:
        name = codecs.lookup((label or "").strip().strip("\"'")).name
    except (LookupError, ValueError):
        return None
    return WIDER.get(name, name)


def _guessed(content: bytes) -> str:
    from charset_normalizer import from_bytes

    sample = content if len(content) <= DETECTED_BYTES else content[:DETECTED_BYTES].rpartition(b"<")[0]
    middle = sample.find(b"<", len(sample) // 2)
    # One broken sequence hides an encoding of several bytes: then it is told without the end, or by one half.
    for part in (sample, sample[:-1], sample[:-2], sample[:-3], sample[:middle], sample[middle:]):
        best = from_bytes(part).best()
        guessed = content.decode(best.encoding if best else "cp1252", "replace")
        letters = [letter for letter in guessed[:DETECTED_BYTES] if letter.isalpha()]
        foreign = [letter for letter in letters if not letter.isascii()]
        if 2 * sum(unicodedata.name(letter, "").startswith("LATIN ") for letter in foreign) < len(foreign):
            return guessed
        if 2 * len(foreign) < len(letters):  # as where Latin letters are meant
            break
    return content.decode("cp1252", "replace")


class PageReader:
    """Pages → their main text, as datatrove's Trafilatura extractor does.

    Without its `deduplicate`: that remembers earlier pages, and the same page must always give the same text.
    """

    def __init__(self, limit: int) -> None:
        from datatrove.pipeline.extractors import Trafilatura

        self._limit = limit
        self._extractor = Trafilatura(deduplicate=False)

    def read(self, head: dict[str, Any], content: bytes) -> dict[str, str]:
        from trafilatura import load_html
        from warcio.bufferedreaders import ChunkedDataReader

        try:
            if head["kind"] == "pdf":
                return pdf_text(content, self._limit)
            if head["kind"] == "epub":
                return epub_text(content, self._limit)
            if head["chunked"]:
                content = ChunkedDataReader(io.BytesIO(content)).read()
            content = unpacked(content, head["codings"], self._limit)
            tree = load_html(decoded(content, head["charset"]))
            text = None if tree is None else self._extractor.extract(tree)
            if not text:
                raise Refused(NO_TEXT, "no main text in the page" if content.strip() else "the page is empty")
            return {"text": text, "title": _in_short(tree.findtext(".//title"))}
        except Refused as refused:
            return dict(zip(("reason", "detail"), refused.args, strict=True))
        except MemoryError:
            raise
        except Exception as error:  # whatever a page brings about in the libraries is its own loss alone
            return {"reason": EXTRACTION_FAILED, "detail": f"{type(error).__name__}: {error}"[:200]}


def _in_short(title: str | None) -> str:
    return " ".join((title or "").split())[:MAX_TITLE]


def pdf_text(content: bytes, limit: int) -> dict[str, str]:
    """The text of a PDF file in the order in which it is drawn, pages apart by an empty line; and its title.

    Words that a line's end divides by a soft hyphen are joined. A file of pictures alone has no text.
    """
    import pypdfium2

    with pypdfium2.PdfDocument(content) as document:
        pages, size = [], 0
        for page in document:
            text = page.get_textpage().get_text_bounded().replace("\r\n", "\n").replace("\ufffe\n", "").strip()
            page.close()
            size += len(text)
            if size > limit:
                raise Refused(TOO_LARGE, f"more than {limit:,} characters of text")
            pages.append(text.replace("\0", ""))
        title = _in_short(document.get_metadata_value("Title"))
    text = "\n\n".join(filter(None, pages))
    if not text:
        raise Refused(NO_TEXT, "no text in the PDF; its pages may be pictures")
    return {"text": text, "title": title}


def epub_text(content: bytes, limit: int) -> dict[str, str]:
    """The text of an EPUB file and its title, by `book_text` beside this file."""
    spec = importlib.util.spec_from_file_location("book_text", Path(__file__).with_name("book_text.py"))
    if spec is None or spec.loader is None:
        raise ImportError("book_text.py")
    books = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(books)
    try:
        found: dict[str, str] = books.book_text(content, limit, partial(decoded, charset=None))
    except books.TooLarge as error:
        raise Refused(TOO_LARGE, str(error)) from error
    except books.Unreadable as error:
        raise Refused(EXTRACTION_FAILED, str(error)[:200]) from error
    if not found["text"]:
        raise Refused(NO_TEXT, "no text in the book")
    return {"text": found["text"], "title": _in_short(found["title"])}


def receive(stream: BinaryIO) -> bytes | None:
    """The next frame, None where the stream ends."""
    size = stream.read(8)
    if len(size) < 8:
        return None
    content = stream.read(int.from_bytes(size, "little"))
    return content if len(content) == int.from_bytes(size, "little") else None


def send(stream: BinaryIO, content: bytes) -> None:
    stream.write(len(content).to_bytes(8, "little"))
    stream.write(content)
    stream.flush()


def main() -> None:
    seconds, memory, limit = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    with suppress(OSError):  # on Linux: where memory runs out, this process goes before its parent does
        Path("/proc/self/oom_score_adj").write_text("1000")
    for number in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)  # which ends the process, also from within C
    logging.disable(logging.CRITICAL)
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the frames
    reader = PageReader(limit)
    for page in WARM_UP:
        reader.read({"charset": None, "codings": "", "chunked": False, "kind": "html"}, page.encode())
    for kind, bound in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(OSError, ValueError):  # a lower bound is set already, or the system knows none
            resource.setrlimit(kind, (bound, bound))
    send(replies, b"{}")
    try:
        while (head := receive(requests)) is not None and (content := receive(requests)) is not None:
            _set_timers(seconds)
            reply = json.dumps(reader.read(json.loads(head), content)).encode()
            _set_timers(0)
            send(replies, reply)
    except MemoryError:
        os._exit(OUT_OF_MEMORY)


def _set_timers(seconds: float) -> None:
    # Processor time, so that a busy machine hardly changes which pages are too slow.
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)


if __name__ == "__main__":
    main()
