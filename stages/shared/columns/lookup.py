"""Documents of a run by name, by id and by ordinal, found part by part; only columns of names are read whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sequitur.graph_sort.distinct import distinct_values
from sequitur.pipeline import artifacts
from sequitur.pipeline.artifacts import Manifest, Part
from sequitur.pipeline.errors import CorruptPart, DocumentUnknown
from sequitur.pipeline.names import DOCUMENTS, NEIGHBORS, ORDER, REJECTS, SELECTION, SHARDS, SIGNALS, TOKENS, VECTORS
from sequitur.pipeline.progress import Progress
from sequitur.pipeline.storage import Directory
from sequitur.shards.views.text import TITLE_LENGTH, title_in
from sequitur.stages.shared.columns.groups import string_field

HISTORY = (DOCUMENTS, SIGNALS, SELECTION, TOKENS, VECTORS, NEIGHBORS, ORDER, SHARDS)
NAMED = 5  # of several documents that a name fits, how many an error lists
LEAST_DIGITS = 4
NAMES = ["doc_id", "record_id", "url", "source_file", "source_row"]
COLUMNS = [*NAMES, "source", "timestamp", "metadata"]


class DocumentAmbiguous(DocumentUnknown):
    """A name fits several documents of a run."""


class Place(NamedTuple):
    """Where a document stands: the number of its part, and its row there."""

    part: int
    row: int


class Corpus(NamedTuple):
    """The documents of a run, and the artifact that holds the text that its later stages read."""

    documents: Directory
    text: Directory


class Found(NamedTuple):
    """What a name fits: a document, or a record that could not be read, as a row of `rejects`."""

    place: Place | None
    reject: dict[str, Any] | None = None


def standing(root: Directory, text: str) -> dict[str, Manifest]:
    """The artifacts of a run that are finished and made from each other, by name: what is out of date speaks of other
    documents. `text` is the one that holds the text.

    Raises:
        MissingArtifact: not even the documents are there.
    """
    found = {"documents": artifacts.require_manifest(root / DOCUMENTS)}
    for name in dict.fromkeys((text, *HISTORY)):
        manifest = artifacts.read_manifest(root / name)
        if manifest is None:
            continue
        fingerprints = {parent: found[parent].fingerprint for parent in manifest.parents if parent in found}
        if fingerprints == dict(manifest.parents):
            found[name] = manifest
    return found


def corpus_of(root: Directory, text: str) -> Corpus:
    return Corpus(root / DOCUMENTS, root / text)


def find(root: Directory, name: str, progress: Progress) -> Found:
    """The document or rejected record of a run that `name` means.

    `name` is a `record_id`, a `url`, FILE:ROW (the input file, folders or not), or a `doc_id` or 4 digits and more of
    its beginning; the first of these that fits any counts.

    Raises:
        DocumentUnknown: it fits no document.
        DocumentAmbiguous: it fits several; the message names the first.
    """
    directory = root / DOCUMENTS
    manifest = artifacts.require_manifest(directory)
    found: list[list[tuple[Place, str]]] = [[], [], [], []]
    progress.step(f"looking for {name}", len(manifest.parts))
    for number, part in enumerate(manifest.parts):
        batch = artifacts.map_part(directory, part, NAMES)
        for known, rows in zip(found, _rows_named(batch, name), strict=True):
            for row in rows[: NAMED + 1 - len(known)].tolist():
                known.append((Place(number, row), _called(batch.slice(row, 1).to_pylist()[0])))
        progress.update(number + 1)
    some = next((known for known in found if known), [])
    if len(some) > 1:
        listed = "; ".join(called for _, called in some[:NAMED]) + ("; …" if len(some) > NAMED else "")
        raise DocumentAmbiguous(f"{name}: may be one of {listed}; give FILE:ROW, or more of the doc_id")
    if some:
        return Found(some[0][0])
    if (reject := _reject_at(root / REJECTS, name)) is not None:
        return Found(None, reject)
    raise DocumentUnknown(
        f"{root.url}: no document or rejected record is called {name}; give a doc_id or 4 or more first "
        "digits of it, a record_id, a URL, or FILE:ROW"
    )


def _called(document: dict[str, Any]) -> str:
    return f"{_short(document['source_file'])}:{document['source_row']} ({document['doc_id'].hex()[:12]})"


def _short(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _rows_named(batch: pa.RecordBatch, name: str) -> Iterator[np.ndarray]:
    """int64 rows of a part whose record_id, url, file and row, or doc_id `name` is."""
    for column in ("record_id", "url"):
        yield _true(pc.equal(batch.column(column), name))
    yield _rows_at(batch, name)
    digits = name.lower()
    if len(digits) < LEAST_DIGITS or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
        yield np.empty(0, dtype=np.int64)
        return
    least, most = (np.frombuffer(bytes.fromhex(digits.ljust(32, end)), dtype=">u8") for end in "0f")
    high, low = _halves(batch.column("doc_id")).T
    above = (high > least[0]) | ((high == least[0]) & (low >= least[1]))
    below = (high < most[0]) | ((high == most[0]) & (low <= most[1]))
    yield np.flatnonzero(above & below)


def _rows_at(batch: pa.RecordBatch, name: str) -> np.ndarray:
    """int64 rows that stand at FILE:ROW; none where the name has not that form."""
    file, _, row = name.rpartition(":")
    if not file or not row.isdecimal() or len(row) > 18:
        return np.empty(0, dtype=np.int64)
    rows = _true(pc.equal(batch.column("source_row"), int(row)))
    files = batch.column("source_file").take(pa.array(rows)).to_pylist()
    return rows[[one == file or one.endswith(f"/{file}") for one in files]] if len(rows) else rows


def _true(column: pa.BooleanArray) -> np.ndarray:
    return np.flatnonzero(pc.fill_null(column, False).to_numpy(zero_copy_only=False))


def _halves(column: pa.FixedSizeBinaryArray) -> np.ndarray:
    """The ids as big-endian numbers, uint64 [n, 2]."""
    data = np.frombuffer(column.buffers()[1], dtype=">u8").reshape(-1, 2)
    return data[column.offset : column.offset + len(column)]


def _reject_at(rejects: Directory, name: str) -> dict[str, Any] | None:
    manifest = artifacts.read_manifest(rejects)
    for part in manifest.parts if manifest else ():
        batch = artifacts.map_part(rejects, part)
        for row in _rows_at(batch, name).tolist():
            found: dict[str, Any] = batch.slice(row, 1).to_pylist()[0]
            return found
    return None


def row_of(directory: Directory, part: Part, row: int, columns: Sequence[str]) -> dict[str, Any]:
    """Some columns of one row."""
    found: list[dict[str, Any]] = artifacts.map_part(directory, part, columns).slice(row, 1).to_pylist()
    if not found:
        raise CorruptPart(f"{directory.path(part.path)}: has no row {row}, as documents has; delete it and run again")
    return found[0]


def places_of_ids(documents: Directory, ids: Iterable[bytes]) -> dict[bytes, Place]:
    """Where the first document with each of these ids stands; those that are nowhere are left out."""
    left = {one: np.frombuffer(one, dtype=">u8") for one in ids}
    found: dict[bytes, Place] = {}
    for number, part in enumerate(artifacts.require_manifest(documents).parts):
        if not left:
            break
        halves = _halves(artifacts.map_part(documents, part, ["doc_id"]).column("doc_id"))
        for one, wanted in list(left.items()):
            rows = np.flatnonzero((halves == wanted).all(axis=1))
            if len(rows):
                found[one] = Place(number, int(rows[0]))
                del left[one]
    return found


def places_of_ordinals(selection: Directory, ordinals: Iterable[int]) -> dict[int, Place]:
    """Where the documents with these ordinals stand. Ordinals count on from part to part."""
    wanted = distinct_values(np.fromiter(ordinals, dtype=np.int64))
    found: dict[int, Place] = {}
    first = 0
    for number, part in enumerate(artifacts.require_manifest(selection).parts):
        column = artifacts.map_part(selection, part, ["ordinal"]).column("ordinal")
        count = len(column) - column.null_count
        here = wanted[slice(*np.searchsorted(wanted, [first, first + count]))]
        if len(here):
            rows = _true(column.is_valid())
            found.update((one, Place(number, int(rows[one - first]))) for one in here.tolist())
        first += count
    return found


def describe(corpus: Corpus, places: Iterable[Place]) -> dict[Place, dict[str, Any]]:
    """What a person knows some documents by: `doc_id` in hex, `record_id`, `title`, `source`, `url`, `source_file`,
    `source_row`, and `license` and `timestamp`.

    The title is the record's; else what the text says first, for which the text of its part is read; else null.
    """
    documents, texts = (artifacts.require_manifest(directory).parts for directory in corpus)
    found = {}
    for place in sorted(set(places)):
        row = row_of(corpus.documents, documents[place.part], place.row, COLUMNS)
        metadata = row.pop("metadata")
        try:
            title, license_ = (string_field(metadata, field) for field in ("title", "license"))
        except json.JSONDecodeError as error:
            path = corpus.documents.path(documents[place.part].path)
            raise CorruptPart(f"{path}: metadata in row {place.row} is not JSON; delete it and run again") from error
        if not title:
            title = title_in(row_of(corpus.text, texts[place.part], place.row, ["text"])["text"])
        time = row.pop("timestamp")
        found[place] = {
            **row,
            "doc_id": row["doc_id"].hex(),
            "title": title_line(title),
            "license": license_,
            "timestamp": None if time is None else time.isoformat(),
        }
    return found


def title_line(title: str) -> str | None:
    """A title as it is shown, on one line and cut where it is long; None where nothing is left."""
    return " ".join(title.split())[:TITLE_LENGTH] or None


def row_by_ordinal(directory: Directory, ordinal: int, columns: Sequence[str]) -> dict[str, Any] | None:
    """Some columns of the row of an artifact that ascends by `ordinal`; None where it has none."""
    manifest = artifacts.read_manifest(directory)
    for part in manifest.parts if manifest else ():
        ordinals = artifacts.map_part(directory, part, ["ordinal"]).column("ordinal").to_numpy()
        row = int(np.searchsorted(ordinals, ordinal))
        if row < len(ordinals) and ordinals[row] == ordinal:
            return row_of(directory, part, row, columns)
    return None
