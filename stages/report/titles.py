"""The documents that the report's page names and quotes: read from the parts that hold them, many at a time."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.pipeline import artifacts
from sequitur.pipeline.names import DOCUMENTS, SELECTION, TOKENS
from sequitur.pipeline.storage import Directory
from sequitur.shards.format import TOKENIZER_NAME, TokenizerInfo
from sequitur.shards.views.text import TITLE_LENGTH, Decoder, title_in
from sequitur.stages.shared.columns.groups import string_field
from sequitur.stages.shared.columns.lookup import Place, places_of_ordinals
from sequitur.stages.shared.columns.token_ranges import document_lengths, read_pieces
from sequitur.text_core.units.offsets import offsets_of

COLUMNS = ["doc_id", "record_id", "source", "url", "metadata"]
TITLE_TOKENS = 48


class NamedDocuments:
    """What a page tells of some documents. Memory: 8 bytes for each document of the run; no text is held."""

    def __init__(self, root: Directory, text: Directory) -> None:
        """`root` is that of the run; `text` the artifact whose text the stages read."""
        self._documents, self._selection, self._tokens = (root / name for name in (DOCUMENTS, SELECTION, TOKENS))
        self._text, self._lengths = text, document_lengths(self._tokens)
        self._parts = {directory: artifacts.require_manifest(directory).parts for directory in (self._documents, text)}

    def about(self, places: Iterable[Place]) -> dict[Place, dict[str, str]]:
        """`name` (the record's id, else its URL, else the document's id), `source`, and `title`, empty where the record
        tells none."""
        found: dict[Place, dict[str, str]] = {}
        for part, rows in _by_part(places):
            entry = self._parts[self._documents][part]
            batch = artifacts.map_part(self._documents, entry, COLUMNS)
            for row, record in zip(rows, batch.take(pa.array(rows)).to_pylist(), strict=True):
                name = record["record_id"] or record["url"] or record["doc_id"].hex()
                found[Place(part, row)] = {
                    "name": in_a_line(name),
                    "source": in_a_line(record["source"]),
                    "title": in_a_line(_title(record["metadata"])),
                }
        return found

    def titled(self, ordinals: np.ndarray) -> list[dict[str, str]]:
        """As `about`, of kept documents (int64, ascending); one without a title has what its first tokens say."""
        places = list(places_of_ordinals(self._selection, ordinals.tolist()).values())
        about = self.about(places)
        bare = ordinals[[not about[place]["title"] for place in places]]
        said = iter(self.texts(bare, np.zeros(len(bare), np.int64), np.full(len(bare), TITLE_TOKENS)))
        titles = [about[place]["title"] or in_a_line(title_in(next(said))) for place in places]
        return [
            {**about[place], "title": title or about[place]["name"]}
            for place, title in zip(places, titles, strict=True)
        ]

    def texts(self, ordinals: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> list[str]:
        """What the tokens from `starts` on say, at most `lengths` of each document (all int64)."""
        counts = np.clip(self._lengths[ordinals] - starts, 0, lengths)
        ids = read_pieces(self._tokens, ordinals, starts, counts)
        about = artifacts.require_manifest(self._tokens).statistics["tokenizer"]
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch)
            if self._tokens.exists(TOKENIZER_NAME):
                root = self._tokens.local_copy(TOKENIZER_NAME, root).parent
            decoder = Decoder(root, TokenizerInfo(about["name"], None, about["sha256"], about["vocab_size"]))
            return decoder.texts(np.split(ids, offsets_of(counts)[1:-1])) if len(counts) else []

    def beginnings(self, places: Iterable[Place], characters: int) -> dict[Place, str]:
        """The first characters of the texts as the stages read them. Decompresses the text of the parts."""
        found: dict[Place, str] = {}
        for part, rows in _by_part(places):
            entry = self._parts[self._text][part]
            column = artifacts.read_part(self._text, entry, ["text"]).column("text")
            texts = pc.utf8_slice_codeunits(column.take(pa.array(rows)), 0, characters).to_pylist()
            found.update((Place(part, row), text) for row, text in zip(rows, texts, strict=True))
        return found


def in_a_line(title: str) -> str:
    """A title, name or source, cut where it is too long for a page that shows thousands."""
    line = " ".join(title.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"


def _title(metadata: str) -> str:
    try:
        return string_field(metadata, "title") or ""
    except json.JSONDecodeError:  # what else is read here was written by `ingest` alone, too; a title is not worth more
        return ""


def _by_part(places: Iterable[Place]) -> Iterator[tuple[int, list[int]]]:
    """The rows of each part, ascending, once each."""
    rows: dict[int, set[int]] = {}
    for part, row in places:
        rows.setdefault(part, set()).add(row)
    for part in sorted(rows):
        yield part, sorted(rows[part])
