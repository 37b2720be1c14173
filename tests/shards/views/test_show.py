"""A view holds the text that was packed, is found by row, document and words, and nothing in it commands a terminal."""

import dataclasses
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from example_dataset import END, SEQ_LEN, TEXTS, Dataset
from rich.console import Console
from tokenizers import Tokenizer, models

from sequitur.shards.errors import DocumentUnknown, ManifestInvalid, SplitUnknown, TokenizerMismatch
from sequitur.shards.families import dataset_entry, families_json
from sequitur.shards.manifest import build_manifest, manifest_json
from sequitur.shards.views.render import render_context
from sequitur.shards.views.show import (
    ContextView,
    context_view,
    contexts_with_document,
    contexts_with_text,
    dataset_root,
    open_dataset,
    search_pattern,
)


def views(dataset: Dataset, split: str = "train") -> list[ContextView]:
    """All contexts of a split, in the order of the path."""
    rows = np.argsort(dataset.contexts[split].context_id)
    return [context_view(dataset.root, split, int(row)) for row in rows]


def printed(view: ContextView, width: int = 200, colours: bool = True, pattern: str | None = None) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=colours, color_system="truecolor" if colours else None
    )
    console.print(render_context(view, search_pattern(pattern) if pattern else None))
    return console.file.getvalue()


def texts_of(dataset: Dataset) -> dict[str, str]:
    """The whole text of each document, by doc_id, as its tokens say."""
    return {f"{key:032x}": bytes(tokens[:-1].tolist()).decode() for key, tokens in dataset.documents.items()}


def test_pieces_give_back_the_documents(dataset: Dataset) -> None:
    """No text of the example has a character that spans two pieces but the one with a bidi mark."""
    texts: dict[str, str] = {}
    for view in views(dataset):
        assert sum(piece.length for piece in view.pieces) == view.num_tokens
        for piece in view.pieces:
            assert piece.start == len(texts.get(piece.doc_id, "")) or piece.doc_id.endswith("04")
            texts[piece.doc_id] = texts.get(piece.doc_id, "") + piece.text
    for key, tokens in dataset.documents.items():
        if key < 30 and key != 4:
            assert texts[f"{key:032x}"] == bytes(tokens[:-1].tolist()).decode() + "\u2404"


def test_a_piece_says_where_it_comes_from(dataset: Dataset) -> None:
    for piece in (piece for view in views(dataset) for piece in view.pieces):
        key = int(piece.doc_id, 16)
        assert (piece.source, piece.source_file, piece.source_row) == ("random", "documents.jsonl", key)
        assert piece.url == ("https://example.org" if key % 2 else None)
        assert (piece.language, piece.license) == ("en" if key % 2 else "de", "MIT" if key % 5 else None)
        assert piece.n_tokens == len(dataset.documents[key])
        assert piece.cosine_to_previous == (0.5 if piece.start == 0 else None)
        if key % 3:
            assert piece.title == f"Title {key}"
    untitled = next(piece for view in views(dataset) for piece in view.pieces if int(piece.doc_id, 16) == 3)
    assert untitled.title == TEXTS[3][: untitled.length]


def test_contexts_with_a_document_are_all_that_hold_it(dataset: Dataset) -> None:
    for key in (5, 33):
        doc_id, split = f"{key:032x}", "train" if key < 30 else "val"
        found = list(contexts_with_document(dataset.root, doc_id))
        assert [(view.split, view.row) for view in found] == [
            (split, row)
            for row in range(len(dataset.contexts[split].num_tokens))
            if any(piece.doc_id == doc_id for piece in context_view(dataset.root, split, row).pieces)
        ]
        for view in found:
            assert [piece.doc_id == doc_id for piece in view.pieces] == [
                number in view.matches for number in range(len(view.pieces))
            ]
        assert sum(view.pieces[match].length for view in found for match in view.matches) == len(dataset.documents[key])


def test_documents_are_found_by_other_names(dataset: Dataset) -> None:
    of = list(contexts_with_document(dataset.root, f"{5:032x}"))
    assert list(contexts_with_document(dataset.root, "documents.jsonl:5")) == of
    assert list(contexts_with_document(dataset.root, f"{5:032X}")) == of
    assert list(contexts_with_document(dataset.root, f"{5:032x}", "val")) == []
    for name, complaint in (
        ("0000", "0000 may be one of 0{32}, .*, …: give more"),
        ("f" * 32, "no document is called fff"),
        ("000", "no document is called 000: give"),
        ("https://example.org", "may be one of"),
        ("documents.jsonl:99", "no document"),
    ):
        with pytest.raises(DocumentUnknown, match=complaint):
            next(contexts_with_document(dataset.root, name))


@pytest.mark.parametrize("text", ["a", "B", "title", "no  such text", "[", "\n"])
def test_contexts_with_a_text_are_all_that_hold_it(dataset: Dataset, text: str) -> None:
    found = {(view.split, view.row, *view.matches) for view in contexts_with_text(dataset.root, text)}
    expected = set()
    for split, contexts in dataset.contexts.items():
        for row in range(len(contexts.num_tokens)):
            pieces = context_view(dataset.root, split, row).pieces
            matches = [number for number, piece in enumerate(pieces) if text.lower() in piece.text.lower()]
            expected |= {(split, row, *matches)} if matches else set()
    assert found == expected


def test_a_search_stops_where_its_reader_does_and_tells_how_far_it_is(dataset: Dataset) -> None:
    rows: list[int] = []
    assert next(contexts_with_text(dataset.root, "a", on_rows=rows.append))
    assert sum(rows) < 10
    list(contexts_with_text(dataset.root, "a", "val", rows.append))
    assert rows[-1] == len(dataset.contexts["val"].num_tokens)
    with pytest.raises(SplitUnknown):
        next(contexts_with_text(dataset.root, "a", "test"))


def test_nothing_in_the_text_is_obeyed(dataset: Dataset) -> None:
    shown = "".join(map(printed, views(dataset)))
    assert "\x1b[31m" not in shown
    assert "\u241b[31mred" in shown
    assert "\u202e" not in shown
    view = views(dataset)[0]
    piece = view.pieces[0]._replace(title="[red]title", source="[bold]", url="[/]", text=TEXTS[3])
    shown = printed(view._replace(pieces=[piece]))
    for literal in ("[red]title", "[bold]", "[/]", TEXTS[3]):
        assert literal in shown


def test_a_long_text_is_cut_and_says_by_how_much(dataset: Dataset) -> None:
    view = views(dataset)[0]
    words = " ".join(f"word{number}" for number in range(2000))
    view = view._replace(pieces=[view.pieces[0]._replace(text=words)])
    shown = printed(view, 80, colours=False)
    assert max(map(len, shown.splitlines())) <= 80
    assert "word1\n" in shown.replace(" ", "\n")
    assert "word1999" in shown
    assert "word1000" not in shown
    left_out = int(shown.split("[… ")[1].split(" ")[0].replace(",", ""))
    assert left_out + 4000 - 40 <= len(words) <= left_out + 4000 + 80
    shown = printed(view, 80, colours=False, pattern="WORD1000")
    assert "word1000" in shown
    assert "word1999" not in shown
    console = Console(file=io.StringIO(), width=80)
    console.print(render_context(view, full=True))
    assert console.file.getvalue().split()[-2000:] == words.split()


def test_pieces_that_do_not_match_are_named_only(dataset: Dataset) -> None:
    view = next(view for view in views(dataset) if len(view.pieces) > 1)
    texts = [f"text {number}" for number in range(len(view.pieces))]
    view = view._replace(pieces=[p._replace(text=t) for p, t in zip(view.pieces, texts, strict=True)], matches=[1])
    shown = printed(view)
    assert "text 1" in shown
    assert "text 0" not in shown
    assert view.pieces[0].title in shown


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
    (copy.root / "tokenizer.json").write_text(content + " ")
    with pytest.raises(TokenizerMismatch, match=r"tokenizer\.json is not the one"):
        context_view(copy.root, "val", 0)
    (copy.root / "tokenizer.json").write_text(content)
    view = context_view(copy.root, "val", 0)
    ids = copy.contexts["val"].input_ids[0, : view.num_tokens].tolist()
    assert " ".join(piece.text for piece in view.pieces) == " ".join(f"<{i}>" for i in ids)
    assert view.seq_len == SEQ_LEN


def test_row_out_of_range(dataset: Dataset) -> None:
    with pytest.raises(IndexError, match="row 999"):
        context_view(dataset.root, "val", 999)


def test_a_run_stands_for_its_shards(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "shards").symlink_to(dataset.root)
    assert dataset_root(tmp_path) == tmp_path / "shards"
    assert dataset_root(tmp_path / "shards") == tmp_path / "shards"
    assert dataset_root(tmp_path / "none") == tmp_path / "none"


def test_several_datasets_are_named(dataset: Dataset, tmp_path: Path) -> None:
    entries = [dataset_entry(name, name, dataset.manifest) for name in ("code", "web")]
    (tmp_path / "families.json").write_text(families_json(entries))
    with pytest.raises(ManifestInvalid, match="holds several datasets; give one of code, web"):
        open_dataset(tmp_path)
