"""A view holds the text that was packed, and nothing in the text commands the terminal."""

import dataclasses
import hashlib
import io

import numpy as np
import pytest
from example_dataset import END, SEQ_LEN, TEXTS, Dataset
from rich.console import Console
from tokenizers import Tokenizer, models

from shards.errors import TokenizerMismatch
from shards.manifest import build_manifest, manifest_json
from shards.show import ContextView, context_view, harmless, render


def views(dataset: Dataset, split: str = "train") -> list[ContextView]:
    """All contexts of a split, in the order of the path."""
    rows = np.argsort(dataset.contexts[split].context_id)
    return [context_view(dataset.root, split, int(row)) for row in rows]


def print_plainly(view: ContextView) -> str:
    console = Console(file=io.StringIO(), width=200, force_terminal=True, color_system="truecolor")
    console.print(render(view))
    return console.file.getvalue()


def test_pieces_give_back_the_documents(dataset: Dataset) -> None:
    """No text of the example has a character that spans two pieces but the one with a bidi mark."""
    texts: dict[str, str] = {}
    for view in views(dataset):
        assert sum(piece.length for piece in view.pieces) == view.num_tokens
        for piece in view.pieces:
            assert piece.start == sum(len(text) for text in [texts.get(piece.doc_id, "")]) or piece.doc_id.endswith(
                "04"
            )
            texts[piece.doc_id] = texts.get(piece.doc_id, "") + piece.text
    for key, tokens in dataset.documents.items():
        if key < 30 and key != 4:
            assert texts[f"{key:032x}"] == bytes(tokens[:-1].tolist()).decode() + "\u2404"


def test_a_piece_says_where_it_comes_from(dataset: Dataset) -> None:
    pieces = [piece for view in views(dataset) for piece in view.pieces]
    for piece in pieces:
        key = int(piece.doc_id, 16)
        assert piece.source == "random"
        assert piece.url == ("https://example.org" if key % 2 else None)
        assert piece.n_tokens == len(dataset.documents[key])
        assert piece.cosine_to_previous == (0.5 if piece.start == 0 else None)
    titled = next(piece for piece in pieces if piece.doc_id == f"{5:032x}" and piece.start == 0)
    assert TEXTS[5].split("\n")[1].strip().startswith(titled.title)


def test_nothing_in_the_text_is_obeyed(dataset: Dataset) -> None:
    printed = "".join(print_plainly(view) for view in views(dataset))
    assert "\x1b[31m" not in printed
    assert "\u241b[31mred" in printed
    assert "\u202e" not in printed
    view = views(dataset)[0]
    piece = view.pieces[0]._replace(title="[red]title", source="[bold]", url="[/]", text=TEXTS[3])
    printed = print_plainly(view._replace(pieces=[piece]))
    for literal in ("[red]title", "[bold]", "[/]", TEXTS[3]):
        assert literal in printed


def test_harmless() -> None:
    assert harmless("a\tb\nc") == "a\tb\nc"
    assert harmless("\x00\x1b\x7f\x9b\r") == "\u2400\u241b\u2421\\u009b\u240d"
    assert harmless("\u202e\u2066\u200f") == "\\u202e\\u2066\\u200f"
    assert harmless("é 日本 \U0001f642 [red]") == "é 日本 \U0001f642 [red]"


def test_decodes_with_the_tokenizer_beside_the_shards(copy: Dataset) -> None:
    vocabulary = {f"<{i}>": i for i in range(END + 1)}
    content = Tokenizer(models.WordLevel(vocabulary)).to_str()
    made = hashlib.sha256(content.encode()).hexdigest()
    info = dataclasses.replace(copy.manifest.header.tokenizer, name="trained", sha256=made)
    header = dataclasses.replace(copy.manifest.header, tokenizer=info)
    manifest = copy.manifest
    rebuilt = build_manifest(header, manifest.packing, manifest.order, manifest.splits, manifest.docs_table)
    (copy.root / "manifest.json").write_text(manifest_json(rebuilt))
    with pytest.raises(TokenizerMismatch, match=r"tokenizer\.json is missing"):
        context_view(copy.root, "val", 0)
    (copy.root / "tokenizer.json").write_text(content)
    view = context_view(copy.root, "val", 0)
    ids = copy.contexts["val"].input_ids[0, : view.num_tokens].tolist()
    assert " ".join(piece.text for piece in view.pieces) == " ".join(f"<{i}>" for i in ids)
    assert view.seq_len == SEQ_LEN


def test_row_out_of_range(dataset: Dataset) -> None:
    with pytest.raises(IndexError, match="row 999"):
        context_view(dataset.root, "val", 999)
