"""C4's and FineWeb's verdicts on real text against datatrove's filters, given our sentences and tokens or their own."""

import json
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import c4_filters, fineweb_quality_filter

from sequitur.corpora.python_docs import write_python_docs
from sequitur.text_core.signals.c4 import c4_lines, c4_signals, c4_text
from sequitur.text_core.signals.fineweb import fineweb_signals
from sequitur.text_core.units.lines import line_table, split_lines
from sequitur.text_core.units.sentences import sentence_counts
from sequitur.text_core.units.strings import Strings, from_arrow
from sequitur.text_core.units.tokens import token_table

DOCUMENTS = 400


def strings_of(texts: list[str]) -> Strings:
    return from_arrow(pa.array(texts, pa.large_string()))


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("docs") / "docs.jsonl"
    write_python_docs(path, DOCUMENTS)
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]


def c4_verdicts(documents: list[str]) -> np.ndarray:
    strings = strings_of(documents)
    signals = c4_signals(strings, token_table(strings), split_lines(strings))
    sentences, lorem_ipsum, curly_brackets, _ = signals.values()
    return (sentences >= 5) & (lorem_ipsum == 0) & (curly_brackets == 0)


def fineweb_verdicts(documents: list[str]) -> np.ndarray:
    strings = strings_of(documents)
    punctuated, short, repeated, newlines = fineweb_signals(strings, token_table(strings), line_table(strings)).values()
    return (punctuated >= 0.12) & (short <= 0.67) & (repeated <= 0.01) & (newlines <= 0.3)


def datatrove_verdicts(rule, documents: list[str]) -> tuple[np.ndarray, list[str]]:
    rows = [Document(text=text, id="0") for text in documents]
    return np.array([rule.filter(row) is True for row in rows]), [row.text for row in rows]


def our_sentences(text: str, _language: str) -> list[None]:
    strings = strings_of([text])
    return [None] * max(1, int(sentence_counts(strings, token_table(strings))[0]))


def our_tokens(text: str, _language: str) -> list[None]:
    return [None] * len(token_table(strings_of([text])).start)


def test_with_the_same_sentences_and_tokens_all_verdicts_agree(documents):
    with patch.object(c4_filters, "split_into_sentences", our_sentences):
        kept, texts = datatrove_verdicts(c4_filters.C4QualityFilter(), documents)
    assert c4_verdicts(documents).tolist() == kept.tolist()
    assert 0.05 < kept.mean() < 0.95
    strings = strings_of(documents)
    rewritten = c4_text(strings, c4_lines(strings, split_lines(strings)))
    for document in np.flatnonzero(kept):
        start, end = rewritten.offsets[document : document + 2]
        assert rewritten.data[start:end].tobytes().decode() == texts[document]
    with patch.object(fineweb_quality_filter, "split_into_words", our_tokens):
        kept, _ = datatrove_verdicts(fineweb_quality_filter.FineWebQualityFilter(), documents)
    assert fineweb_verdicts(documents).tolist() == kept.tolist()
    assert 0.05 < kept.mean() < 0.95


def test_with_its_own_sentences_and_tokens_datatrove_agrees_on_98_of_100(documents):
    # What differs is spaCy's: it takes `pickle.Pickler.dispatch` for a URL, which it keeps whole, and keeps `Ph.D.`.
    documents = [text for text in documents if len(text) < 8000]
    assert len(documents) > DOCUMENTS / 2
    kept, _ = datatrove_verdicts(c4_filters.C4QualityFilter(), documents)
    assert (c4_verdicts(documents) == kept).mean() >= 0.98
    kept, _ = datatrove_verdicts(fineweb_quality_filter.FineWebQualityFilter(), documents)
    assert (fineweb_verdicts(documents) == kept).mean() >= 0.98
