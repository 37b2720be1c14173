"""The text of an EPUB file. It runs in the process of `page_text`, and imports nothing of ours.

An EPUB is a zip archive: META-INF/container.xml names a package file, whose spine lists XHTML files in reading order
(EPUB 3.3, 5.1 and 5.7; W3C).
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

CONTAINER = "META-INF/container.xml"
XHTML = ("application/xhtml+xml", "text/html")
# Elements that begin a line of their own, and such as are no text.
APART = frozenset(("blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "p", "pre"))  # an empty line before and after
BLOCKS = APART.union(("address", "article", "aside", "br", "center", "dd", "div", "dl", "dt", "figcaption", "figure"))
BLOCKS |= frozenset(("footer", "header", "hr", "li", "main", "ol", "section", "table", "tr", "ul"))
NO_TEXT = frozenset(("head", "nav", "script", "style", "svg", "template"))
DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")  # of an encoding, which characters have no longer
SPACES, CONTROLS = re.compile(r"\s+"), re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")
BREAKS = re.compile(r" *[\n\f][\n\f ]*")
PREFORMATTED = {ord("\n"): "\1", ord(" "): "\2"}  # which no text holds, see CONTROLS
AS_IT_WAS = {1: "\n", 2: " "}


class Unreadable(Exception):
    """Says why a file is no book that can be read."""


class TooLarge(Exception):
    """Says what is larger than it may be."""


def book_text(content: bytes, limit: int, decoded: Callable[[bytes], str]) -> dict[str, str]:
    """`text`, chapters apart by an empty line, and `title`.

    Args:
        content: of the file.
        limit: bytes that all that is read of it may unpack to.
        decoded: gives the characters of a chapter.

    Raises:
        Unreadable: it is not as the format asks.
        TooLarge: it unpacks to more.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, OverflowError) as error:
        raise Unreadable(f"no zip archive: {error}") from error
    with archive:
        book = _Book(archive, limit)
        title, chapters = book.package()
        texts = [text for name in chapters if (text := chapter_text(decoded(book.member(name))))]
    return {"text": "\n\n".join(texts), "title": title}


class _Book:
    def __init__(self, archive: zipfile.ZipFile, limit: int) -> None:
        self._archive, self._left, self._limit = archive, limit, limit

    def member(self, name: str) -> bytes:
        """The bytes of a file in the archive, no more in all than the limit, whatever the archive says of itself."""
        try:
            with self._archive.open(name) as file:
                content = file.read(self._left + 1)
        except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            raise Unreadable(f"{name[:100]}: {error}") from error
        if len(content) > self._left:
            raise TooLarge(f"unpacks to more than {self._limit:,} bytes")
        self._left -= len(content)
        return content

    def package(self) -> tuple[str, list[str]]:
        """The title, and the names of the chapters in reading order."""
        container = _xml(self.member(CONTAINER), CONTAINER)
        name = next((str(one.get("full-path", "")) for one in _named(container, "rootfile")), "")
        package = _xml(self.member(name), name)
        items = {one.get("id"): one for one in _named(package, "item") if one.get("media-type") in XHTML}
        folder, chapters = posixpath.dirname(name), []
        for reference in _named(package, "itemref"):
            item = items.get(reference.get("idref"))
            if item is not None and reference.get("linear") != "no":
                place = unquote(str(item.get("href", "")).partition("#")[0])
                chapters.append(posixpath.normpath(posixpath.join(folder, place)))
        title = next((" ".join("".join(one.itertext()).split()) for one in _named(package, "title")), "")
        return title, list(dict.fromkeys(chapters))


def _xml(content: bytes, name: str) -> Any:
    from lxml import etree

    # Nothing is fetched and no entity is unfolded, which a few bytes could make gigabytes.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"{name[:100]}: {error}") from error


def _named(tree: Any, name: str) -> Iterator[Any]:
    return tree.iter(f"{{*}}{name}", name)


def chapter_text(content: str) -> str:
    """The text of a file of XHTML or HTML: a line for each block, paragraphs apart by an empty line."""
    from lxml import etree, html

    try:
        tree = html.document_fromstring(DECLARATION.sub("", content), parser=html.HTMLParser(huge_tree=False))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):  # without any element
        return ""
    text = BREAKS.sub(lambda found: "\n\n" if "\f" in found[0] else "\n", "".join(_pieces(tree)))
    return text.strip().translate(AS_IT_WAS)


def _pieces(tree: Any) -> Iterator[str]:
    """The text in order: one space for any, a line end around blocks, a form feed around paragraphs, and what is
    preformatted by `PREFORMATTED`. Without recursion, for trees may be deep."""
    from lxml import etree

    inside = {"nothing": 0, "pre": 0}  # elements around here that are no text, and such as are preformatted
    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        name = element.tag if isinstance(element.tag, str) else ""
        if name in BLOCKS:
            yield "\f" if name in APART else "\n"
        begins = event == "start"
        if name:
            inside["nothing"] += (1 if begins else -1) * (name in NO_TEXT)
            inside["pre"] += (1 if begins else -1) * (name == "pre")
        text = element.text if begins else element.tail
        if text and not inside["nothing"]:
            text = CONTROLS.sub("", text)
            yield text.translate(PREFORMATTED) if inside["pre"] else SPACES.sub(" ", text)
