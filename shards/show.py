"""A context as a person reads it: its pieces, where each came from, and its text with the boundaries
coloured."""

from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from shards.errors import DocumentUnknown, TokenizerMismatch
from shards.families import read_families
from shards.format import BYTES_TOKENIZER, FAMILIES_NAME, MANIFEST_NAME, TOKENIZER_NAME
from shards.rows import SplitRows

if TYPE_CHECKING:
    from rich.console import RenderableType

_TITLE_LENGTH = 80
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")

# Shown as pictures or escapes: C0 and DEL as U+2400 …, C1 and the marks that reorder text (Unicode bidi) as \uXXXX.
_HARMLESS = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"}
_HARMLESS[0x7F] = "\u2421"
_HARMLESS.update(
    (code, f"\\u{code:04x}")
    for codes in (range(0x80, 0xA0), (0x061C, 0x200E, 0x200F), range(0x2028, 0x202F), range(0x2066, 0x206A))
    for code in codes
)
_END_OF_DOCUMENT = "\u2404"


class Piece(NamedTuple):
    """A run of tokens of one document: tokens `start` … `start + length` of its `n_tokens`. `title` is the
    first line of `text`. `cosine_to_previous` compares the document with the one before it; None where
    there is none."""

    title: str
    source: str
    url: str | None
    doc_id: str
    start: int
    length: int
    n_tokens: int
    cosine_to_previous: float | None
    text: str


class ContextView(NamedTuple):
    """One context of a split. `text` of the pieces is harmless to print."""

    split: str
    row: int
    context_id: int
    group_id: int
    seq_len: int
    num_tokens: int
    pieces: list[Piece]


def context_view(root: str | PathLike[str], split: str, index: int) -> ContextView:
    """The context at row `index` of a split, decoded by the tokenizer.json in `root`.

    Raises IndexError, or named errors for a damaged dataset.
    """
    rows = SplitRows(root, split)
    row = rows.gather([index], np.uint32)
    header = rows.manifest.header
    lens, starts, keys = row.doc_lens[0].tolist(), row.doc_starts[0].tolist(), row.doc_ids[0].tolist()
    key_to_doc = _look_up([rows.root / file.path for file in rows.manifest.docs_table], keys)
    edges = np.concatenate([[0], np.cumsum(lens)]).tolist()
    parts = [row.input_ids[0, begin:end] for begin, end in pairwise(edges)]
    texts = _decode(rows.root, header.tokenizer.name, parts)
    once = rows.manifest.packing.repeated_tokens == 0
    pieces = []
    for key, start, length, text in zip(keys, starts, lens, texts, strict=True):
        if key not in key_to_doc:
            raise DocumentUnknown(f"docs/ lacks doc_key {key}: run verify")
        doc = key_to_doc[key]
        pieces.append(
            Piece(
                title=next((line.strip() for line in text.splitlines() if line.strip()), "")[:_TITLE_LENGTH],
                source=harmless(doc["source"]),
                url=None if doc["url"] is None else harmless(doc["url"]),
                doc_id=harmless(doc["doc_id"]),
                start=start,
                length=length,
                n_tokens=doc["n_tokens"],
                # it belongs to the first piece of the document, where that is one alone
                cosine_to_previous=doc["cosine_to_previous"] if start == 0 and once else None,
                text=text,
            )
        )
    return ContextView(
        split=split,
        row=index,
        context_id=int(row.context_id[0]),
        group_id=int(row.group_id[0]),
        seq_len=header.seq_len,
        num_tokens=int(row.num_tokens[0]),
        pieces=pieces,
    )


def families_view(root: str | PathLike[str]) -> "RenderableType | None":
    """For a rich console: the datasets in a directory that families.json parts; None where there is none."""
    if not (Path(root) / FAMILIES_NAME).is_file() or (Path(root) / MANIFEST_NAME).exists():
        return None
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    table.add_column("directory", overflow="fold")
    table.add_column("family", overflow="fold")
    for name in ("context length", "documents", "contexts", "tokens"):
        table.add_column(name, justify="right")
    for one in read_families(root):
        numbers = (one.context_length, one.documents, one.contexts, one.tokens)
        table.add_row(Text(harmless(one.directory)), Text(harmless(one.family)), *(f"{number:,}" for number in numbers))
    return table


def render(view: ContextView) -> "RenderableType":
    """The view for a rich console: a heading, then each piece under a rule of its own colour. Nothing in
    the text is read as markup."""
    from rich.console import Group
    from rich.rule import Rule
    from rich.text import Text

    pads = view.seq_len - view.num_tokens
    parts: list[RenderableType] = [
        Text(
            f"{view.split}[{view.row}]  context {view.context_id}, group {view.group_id}: "
            f"{len(view.pieces)} pieces, {view.num_tokens:,} tokens, {pads:,} pads",
            style="bold",
        )
    ]
    for i, piece in enumerate(view.pieces):
        colour = _COLOURS[i % len(_COLOURS)]
        cosine = "" if piece.cosine_to_previous is None else f"cosine {piece.cosine_to_previous:.3f}  "
        where = "  ".join(part for part in (piece.source, piece.url, piece.doc_id) if part)
        span = f"tokens {piece.start:,} … {piece.start + piece.length:,} of {piece.n_tokens:,}"
        parts += [
            Rule(Text(f"{i + 1}. {piece.title}", style=f"bold {colour}"), style=colour, align="left"),
            Text(f"{cosine}{span}  {where}", style=f"dim {colour}"),
            Text(piece.text, style=colour),
        ]
    return Group(*parts)


def harmless(text: str) -> str:
    """`text` without characters that command a terminal or reorder what is read; line breaks and tabs
    stay."""
    return text.translate(_HARMLESS)


def _look_up(paths: list[Path], keys: list[int]) -> dict[int, dict[str, Any]]:
    """The rows of docs/ with these keys. The files are sorted, so Parquet's statistics spare most of their
    reading."""
    table = ds.dataset(paths, format="parquet").to_table(
        columns=["doc_key", "doc_id", "source", "url", "n_tokens", "cosine_to_previous"],
        filter=pc.field("doc_key").isin(keys),
    )
    return {doc["doc_key"]: doc for doc in table.to_pylist()}


def _decode(root: Path, tokenizer_name: str, parts: list[NDArray[np.uint32]]) -> list[str]:
    if tokenizer_name == BYTES_TOKENIZER:
        return [_decode_bytes(ids) for ids in parts]
    from tokenizers import Tokenizer

    path = root / TOKENIZER_NAME
    if not path.is_file():
        raise TokenizerMismatch(f"{TOKENIZER_NAME} is missing: copy it again")
    tokenizer = Tokenizer.from_file(str(path))
    return [harmless(tokenizer.decode(ids.tolist(), skip_special_tokens=False)) for ids in parts]


def _decode_bytes(ids: NDArray[np.uint32]) -> str:
    ends = ids == 256
    runs = np.split(ids, np.flatnonzero(ends))
    texts = [run[run < 256].astype(np.uint8).tobytes().decode("utf-8", "replace") for run in runs]
    return harmless(_END_OF_DOCUMENT.join(texts))
