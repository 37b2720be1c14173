"""Writing the documents of a run, with what became of each, part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sequitur import __version__
from sequitur.api.documents import JoinedDocuments
from sequitur.api.exports.card import card
from sequitur.api.exports.files import Files
from sequitur.api.exports.tally import DROPPED, KEPT, REMOVED, Tally
from sequitur.api.ids import hexadecimal
from sequitur.api.log_lines import unasked_log_lines_hidden
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import RemovalUnfinished
from sequitur.pipeline.names import DOCUMENTS, SHARDS, TOKENS
from sequitur.pipeline.stage import text_artifact
from sequitur.pipeline.storage import Directory
from sequitur.shards.exports.staging import ExportRefused, sizes, staged, whole_report, write_report
from sequitur.shards.removal.intent import INTENT
from sequitur.stages.shared.columns.lookup import standing

VERSION = 1  # of what is written
FORMATS = {"jsonl": "jsonl", "parquet": "parquet", "hf": "parquet"}
"""How the files of each target are written."""
ID = "id"  # what `ingest.id_field` is called unless it is set
COLUMNS = (
    *(ID, "text", "doc_id", "record_id", "source", "url", "timestamp", "license", "source_file", "source_row"),
    *("metadata", "kept", "reason", "duplicate_of", "evidence", "similarity", "tokens", "split", "position", "path"),
    *("family", "cosine_to_previous", "neighbors", "neighbor_cosines"),
)
COUNTED = ("split", "source", "license", "language", "tokens")


@dataclass(frozen=True)
class DocumentsReport:
    """What was written; also the content of sequitur-export.json, which is written last.

    `documents` counts those written by the name that begins their files: the split, `kept` of those that are in none,
    `dropped`. `left_out` counts the others by reason; `removed` are those that `sequitur remove` took out, and copies
    of them. `text_bytes` and `tokens` are of those written, null where they are not known. `artifacts` are the
    fingerprints of what the run tells; `fingerprint` is of these, the columns and the configuration. `files` is bytes
    by name.
    """

    target: str
    name: str
    fingerprint: str
    sequitur: str
    artifacts: dict[str, str]
    columns: list[str]
    documents: dict[str, int]
    left_out: dict[str, int]
    text_bytes: int | None
    tokens: int | None
    files: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def export_documents(
    config: Config,
    to: str,
    out: Path,
    *,
    columns: Sequence[str] | None = None,
    dropped: bool = False,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> DocumentsReport:
    """Writes the documents of a run that are kept so far, in reading order, into the directory `out`, empty or absent.

    All is written to a folder within `out`, and renamed at the end, the report last: its presence means that the export
    is whole. An error or Ctrl-C leaves nothing; what a killed export left is cleared by the next. Where the very same
    export is there, its report is returned. Equal runs give equal bytes.

    Args:
        config: of the run, `output` being where it lies.
        to: one of FORMATS.
        columns: as of `RunView.documents`, and `id`; if not given COLUMNS and every signal that is a number or text.
        dropped: write those that were dropped, too, in files of their own.
        advance: is told the parts done and the parts in all.

    Memory: a part, some row groups, 100 bytes for each kept document, and of neighbours their lists.

    Raises:
        ColumnUnknown: there is no such column.
        MissingArtifact: what tells it is not finished, or out of date.
        RemovalUnfinished: documents are being removed from the shards.
        ExportRefused: there is no such target, `out` is in use, or no document is kept.
    """
    if to not in FORMATS:
        raise ExportRefused(f"no target {to!r} of documents: the known ones are {', '.join(FORMATS)}")
    root, text = Directory(config.output), text_artifact(config)
    up_to_date = standing(root, text)
    joined = JoinedDocuments(root, text, up_to_date)
    chosen = _default(joined) if columns is None else list(dict.fromkeys(columns))
    about = _About(to, config, chosen, dropped, {name: one.fingerprint for name, one in sorted(up_to_date.items())})
    if (made := _made_before(out, about.fingerprint)) is not None:
        return made
    gone = _removed(root)
    tally = Tally(dropped)
    with staged(out) as staging:
        folder = staging / "data" if to == "hf" else staging
        folder.mkdir(exist_ok=True)
        with Files(folder, FORMATS[to]) as files:
            for batch in _told(joined, chosen, len(up_to_date[DOCUMENTS].parts), advance):
                for name, rows in _grouped(batch, gone):
                    if tally.add(name, rows):
                        files.add(name, _chosen(rows, chosen, config))
        if tally.documents.keys() <= {DROPPED}:
            raise ExportRefused(f"{root.url}: no document is kept, so there is nothing to write")
        if to == "hf":
            (staging / "README.md").write_text(card(config, about.artifacts, tally, chosen), encoding="utf-8")
        report = DocumentsReport(
            target=to,
            name=config.name,
            fingerprint=about.fingerprint,
            sequitur=__version__,
            artifacts=about.artifacts,
            columns=chosen,
            documents=dict(sorted(tally.documents.items())),
            left_out=dict(sorted(tally.left_out.items())),
            text_bytes=sum(tally.text_bytes.values()) if "text" in chosen else None,
            tokens=sum(tally.tokens.values()) if TOKENS in up_to_date else None,
            files=sizes(staging),
        )
        write_report(staging, report.to_json())
    return report


@dataclass(frozen=True)
class _About:
    """What an export is made of and how, and so what it holds."""

    target: str
    config: Config
    columns: list[str]
    dropped: bool
    artifacts: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """sha256, in hex; another place of the run is no difference."""
        made_by = self.config.model_dump(mode="json", exclude={"output"})
        content = [VERSION, self.target, made_by, self.columns, self.dropped, self.artifacts]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _made_before(out: Path, fingerprint: str) -> DocumentsReport | None:
    """The report of the very same export, where it lies in `out` whole."""
    content = whole_report(out)
    if content is None or content.get("fingerprint") != fingerprint:
        return None
    try:
        return DocumentsReport(**content)
    except TypeError:
        return None


def _default(joined: JoinedDocuments) -> list[str]:
    """COLUMNS, so far as they are told, and the signals that are one number or text each."""
    simple = [field.name for field in joined.signals if not pa.types.is_nested(field.type) and not _is_id(field.type)]
    return [ID, *joined.known(COLUMNS[1:]), *simple]


def _removed(root: Directory) -> pa.Array:
    """The ids of what was removed from the shards, and of copies of it: binary(16).

    Raises:
        RemovalUnfinished: a removal was begun and not finished.
    """
    shards = root / SHARDS
    if shards.exists(INTENT):
        raise RemovalUnfinished(
            f"{shards.path()}: a removal of documents was begun here and is not finished; repeat the same "
            f"sequitur remove {shards.path()}, which goes on with it"
        )
    if artifacts.read_manifest(shards) is None:
        return pa.array([], pa.binary(16))
    with unasked_log_lines_hidden():
        from sequitur.stages.report.removed import unquotable

    return unquotable(root).ids


def _told(
    joined: JoinedDocuments, chosen: Sequence[str], parts: int, advance: Callable[[int, int], None]
) -> Iterator[pa.RecordBatch]:
    """What is written and what is counted, part by part; of dictionaries the values."""
    names = ["doc_id", "record_id", "kept", "reason", *joined.known(COUNTED), *(name for name in chosen if name != ID)]
    advance(0, parts)
    for number, batch in enumerate(joined.batches(list(dict.fromkeys(names)))):
        yield pa.record_batch([_plain(column) for column in batch.columns], batch.schema.names)
        advance(number + 1, parts)
    advance(parts, parts)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return hexadecimal(column) if _is_id(column.type) else column


def _is_id(kind: pa.DataType) -> bool:
    return pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16


def _grouped(batch: pa.RecordBatch, gone: pa.Array) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each split, of those in none, of those that were dropped, and of those that were removed."""
    split = batch.column("split") if "split" in batch.schema.names else pa.nulls(len(batch), pa.string())
    group = pc.if_else(batch.column("kept"), pc.coalesce(split, KEPT), DROPPED)
    if len(gone):
        group = pc.if_else(pc.is_in(batch.column("doc_id"), hexadecimal(gone)), REMOVED, group)
    for name in sorted(pc.unique(group).to_pylist()):
        yield name, batch.filter(pc.equal(group, name))


def _chosen(batch: pa.RecordBatch, names: Sequence[str], config: Config) -> pa.RecordBatch:
    """The columns to be written; `id` is the record's where that makes the document's, so that it is the same when the
    files are read as inputs."""
    by_record = config.ingest.ids == "record"
    ids = batch.column("doc_id")
    ids = pc.coalesce(batch.column("record_id"), ids) if by_record else ids
    return pa.record_batch([ids if name == ID else batch.column(name) for name in names], list(names))
