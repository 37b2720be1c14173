"""A context as a person reads it: its pieces, where each came from, and its text; found by row, by document or by
words."""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import groupby, pairwise
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sequitur.shards.documents import by_key, find
from sequitur.shards.errors import ManifestInvalid
from sequitur.shards.families import is_parted, read_families
from sequitur.shards.format import FAMILIES_NAME, MANIFEST_NAME
from sequitur.shards.manifest import Manifest, read_manifest
from sequitur.shards.offsets import offsets_of
from sequitur.shards.pieces import Batch, batches, placements
from sequitur.shards.rows import SplitRows
from sequitur.shards.views.text import TITLE_LENGTH, Decoder, harmless, harmless_all, title_in

_COLUMNS = (
    *("doc_id", "record_id", "source", "url", "title", "language", "license", "source_file", "source_row"),
    *("n_tokens", "cosine_to_previous"),
)
_TOKENS_AT_ONCE = 1 << 20  # decoded together: a list of as many numbers, and some MB of text


class Piece(NamedTuple):
    """A run of tokens of one document: tokens `start` … `start + length` of its `n_tokens`.

    `title` is the record's; else, where the document begins here, what `title_in` finds; else the record's id.
    `cosine_to_previous` compares the document with the one before it; None where there is none.
    """

    title: str
    source: str
    url: str | None
    doc_id: str
    record_id: str | None
    language: str | None
    license: str | None
    source_file: str
    source_row: int
    start: int
    length: int
    n_tokens: int
    cosine_to_previous: float | None
    text: str


class ContextView(NamedTuple):
    """One context of a split of `rows` rows. All its strings are harmless to print.

    `matches` are the pieces, by position, that it was chosen for; empty where it was chosen by its row.
    """

    split: str
    row: int
    rows: int
    context_id: int
    group_id: int
    seq_len: int
    num_tokens: int
    pieces: list[Piece]
    matches: list[int]

    def to_json(self) -> dict[str, Any]:
        """A JSON-like value."""
        return self._asdict() | {"pieces": [piece._asdict() for piece in self.pieces]}


def dataset_root(path: str | PathLike[str]) -> Path:
    """Where shards lie: `path`, or its folder `shards` where it is a run's."""
    root = Path(path)
    for place in (root, root / "shards"):
        if (place / MANIFEST_NAME).is_file() or (place / FAMILIES_NAME).is_file():
            return place
    return root


def directories(root: str | PathLike[str]) -> list[str]:
    """The datasets that a directory parts its documents into, each a folder in it; none where it is one itself."""
    return [one.directory for one in read_families(root)] if is_parted(root) else []


def open_dataset(root: Path) -> Manifest:
    """The manifest of one dataset.

    Raises ManifestInvalid for a directory of several, naming them, and otherwise as `read_manifest` does.
    """
    if names := directories(root):
        listed = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        raise ManifestInvalid(f"holds several datasets; give one of {listed}")
    return read_manifest(root)


def context_view(root: str | PathLike[str], split: str, index: int, matches: Collection[int] = ()) -> ContextView:
    """The context at row `index` of a split, decoded by the tokenizer.json in `root`.

    Raises IndexError, or named errors for a damaged dataset.
    """
    rows = SplitRows(root, split)
    row = rows.gather([index], np.uint32)
    manifest = rows.manifest
    lens, starts, keys = row.doc_lens[0].tolist(), row.doc_starts[0].tolist(), row.doc_ids[0].tolist()
    key_to_doc = by_key(Path(root), manifest, keys, _COLUMNS)
    texts = Decoder(Path(root), manifest.header.tokenizer).texts(_cut(row.input_ids[0], row.doc_lens[0]))
    once = manifest.packing.repeated_tokens == 0
    pieces = []
    for key, start, length, text in zip(keys, starts, lens, map(harmless, texts), strict=True):
        doc: dict[str, Any] = harmless_all(key_to_doc[key])
        # it belongs to the first piece of the document, where that is one alone
        cosine = doc["cosine_to_previous"] if start == 0 and once else None
        title = _title(doc, start, text)
        for name in ("doc_key", "title", "cosine_to_previous"):
            del doc[name]
        pieces.append(Piece(title, start=start, length=length, cosine_to_previous=cosine, text=text, **doc))
    return ContextView(
        split=split,
        row=index % len(rows),
        rows=len(rows),
        context_id=int(row.context_id[0]),
        group_id=int(row.group_id[0]),
        seq_len=manifest.header.seq_len,
        num_tokens=int(row.num_tokens[0]),
        pieces=pieces,
        matches=sorted(matches),
    )


def contexts_with_document(
    root: Path, name: str, split: str | None = None, on_rows: Callable[[int], None] = lambda rows: None
) -> Iterator[ContextView]:
    """The contexts that hold a document, by split and row; `name` is as in `documents.find`.

    Reads the columns of pieces, and the tokens of what it yields. `on_rows` is told how many rows are done. Raises
    DocumentUnknown, and named errors for damage.
    """
    manifest, done = open_dataset(root), 0
    key = np.array([find(root, manifest, name)["doc_key"]], dtype=np.uint64)
    for one in [split] if split else manifest.splits:
        found = placements(root, manifest, one, key, lambda rows, before=done: on_rows(before + rows))  # type: ignore[misc]
        for row, placed in groupby(found, lambda piece: piece.row):
            yield context_view(root, one, row, [piece.piece for piece in placed])
        done += manifest.splits[one].rows


def contexts_with_text(
    root: Path, text: str, split: str | None = None, on_rows: Callable[[int], None] = lambda rows: None
) -> Iterator[ContextView]:
    """The contexts in whose decoded text `text` occurs within a document, in upper or lower case, by split and row.

    All tokens are read and decoded, one batch in memory at a time, about 5 million tokens per second; the first
    contexts come as soon as they are found. `on_rows` is told how many rows are done.
    """
    manifest, pattern = open_dataset(root), search_pattern(text)
    decoder, done = Decoder(root, manifest.header.tokenizer), 0
    for one in [split] if split else manifest.splits:
        for batch in batches(root, manifest, one, check=True):
            for row, matches in _matching(batch, decoder, pattern):
                yield context_view(root, one, row, matches)
            done += len(batch.contexts.num_tokens)
            on_rows(done)


def search_pattern(text: str) -> re.Pattern[str]:
    """What finds a text in upper or lower case, and with any white space for its own."""
    return re.compile(r"\s+".join(map(re.escape, text.split())) or re.escape(text), re.IGNORECASE)


def _matching(batch: Batch, decoder: Decoder, pattern: re.Pattern[str]) -> Iterator[tuple[int, list[int]]]:
    """Rows of the split, and which of their pieces match."""
    contexts = batch.contexts
    offsets = contexts.doc_offsets.tolist()
    count, seq_len = contexts.input_ids.shape
    step = max(1, _TOKENS_AT_ONCE // seq_len)
    for first in range(0, count, step):
        rows = range(first, min(first + step, count))
        lens = {row: contexts.doc_lens[offsets[row] : offsets[row + 1]] for row in rows}
        texts = iter(decoder.texts([piece for row in rows for piece in _cut(contexts.input_ids[row], lens[row])]))
        for row in rows:
            found = [pattern.search(next(texts)) is not None for _ in lens[row]]
            if any(found):
                yield batch.first_row + row, np.flatnonzero(found).tolist()


def _cut(input_ids: NDArray[np.uint32], doc_lens: NDArray[np.uint32]) -> Sequence[NDArray[np.uint32]]:
    edges = offsets_of(doc_lens).tolist()
    return [input_ids[begin:end] for begin, end in pairwise(edges)]


def _title(doc: dict[str, Any], start: int, text: str) -> str:
    here = title_in(text)
    title = doc["title"] or (here if start == 0 else doc["record_id"] or here) or doc["doc_id"]
    return " ".join(str(title).split())[:TITLE_LENGTH]
