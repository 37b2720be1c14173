"""Real text that every user has: documentation of the Python packages installed here."""

import json
from itertools import pairwise

import pytest
from datatrove.utils.text import split_into_words

from sequitur.corpora.python_docs import write_python_docs
from sequitur.text_core.units.strings import Strings
from sequitur.text_core.units.tokens import token_table

MOST_CHARACTERS = 3_000


@pytest.fixture(scope="session")
def demo_texts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Some 300 documents of the demo corpus, each cut to 3,000 characters."""
    path = tmp_path_factory.mktemp("demo") / "docs.jsonl"
    write_python_docs(path, 300)
    return [json.loads(line)["text"][:MOST_CHARACTERS] for line in path.read_text().splitlines()]


@pytest.fixture(scope="session")
def spacy_tokens(demo_texts: list[str]) -> list[list[str]]:
    """The words of each of `demo_texts` as datatrove finds them. Slow: 0.4 MB/s."""
    return [split_into_words(text) for text in demo_texts]


@pytest.fixture(scope="session")
def own_tokens():
    """A function that gives the tokens of every document, as strings: what datatrove is given for its words."""

    def tokens_of(strings: Strings) -> list[list[str]]:
        table = token_table(strings)
        words = [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)]
        return [words[i:j] for i, j in pairwise(table.document_offsets)]

    return tokens_of
