"""A text made to be slow to read takes time in proportion to its length: in every operation of `refine`, in every
signal, and wherever else a stage reads the text of a document that anybody may have written.

Each function is given the same texts in two lengths, GROWTH apart. What grows with the square of the length takes
GROWTH² times as long; MOST is between that and GROWTH, for machines that do other things meanwhile.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE

from sequitur.pipeline.sections import Annotate, Edit, Refine
from sequitur.stages.annotate.stage import signals
from sequitur.stages.refine.operations import Repeats, Step, first_steps, last_steps, without_repeats
from sequitur.stages.tokenize.encoding import encode, encode_bytes
from sequitur.stages.tokenize.fast_tokenizer import FastTokenizer
from sequitur.stages.tokenize.training import train
from sequitur.text_core.duplicates.overlap import first_overlaps, ngram_index, presence
from sequitur.text_core.duplicates.repeated_spans import repeated_spans
from sequitur.text_core.edits.redact import KINDS
from sequitur.text_core.signals.listed_words import read_list
from sequitur.text_core.signals.stop_words import stop_words
from sequitur.text_core.units.shingles import shingle_sets
from sequitur.text_core.units.strings import from_arrow
from sequitur.text_core.units.words import word_table
from sequitur.text_core.vectors.lexical_vectors import BUCKETS, document_frequencies, lexical_vectors

GROWTH, MOST = 8, 16
QUICK = 0.05  # seconds in which the longer text tells nothing
KERNELS, STRINGS, NUMBERS = 2**17, 2**16, 2**15  # characters of the longer text, for the speed of what reads it

REFINE = Refine(
    fix_unicode=True,
    edits=[Edit(remove_lines="a.*b"), Edit(replace="aa", by="b"), Edit(drop=[2, -2])],
    symbol_lines=True,
    c4_lines=True,
    fineweb_lines=True,
    max_line_repeats=1,
    max_paragraph_repeats=1,
    redact=list(KINDS),
    phone_regions=["US", "DE"],
)
STOPS = stop_words({"en": ["the", "a", "of", *(f"w{number}" for number in range(100))]})
LISTED = read_list(["lorem", "a a a a a a b", "w1 w2"])
EVALUATION = from_arrow(pa.array(["a " * 40 + "b", "w1 w2 w3 w4 w5 w6 w7 w9"], pa.large_string()))
INDEX = ngram_index(EVALUATION, 8)

# What a text repeats to its end, each behind a |;
UNITS = (
    "a| |\n|\t|.|-|1|&|<|(|[|{|@|'|…|a |a\n|a\n\n| \n|\r\n|\r|\u2028|aa b|a.|a-|a'|A.|e.g. |don't |• |<a|()|[1|[1]"
    "|[edit]|{}|lorem ipsum |javascript |uses cookies. |&amp;|&amp|&#|&#x26;|&lt;|&#xFEFF;|a@|a@b.|x@y.de |http://|www."
    "|http://a.b/ |://|+49 30 901820 |(212) 736-5000/|+1 |12 34 |(1) |1-1-1 |1/2 |1.1.1.1.|2012-01-02 08:15 |中|あ|한"
    "|ᄀ|ก|é|e\u0301|\u0301|\u0316\u0301|\u200d|👩‍👧|\ufeff|\ufffd|\x80|Ã©|Ã|Â |â€œ|Ð°|\x1b[|\x1b[31m"
)
# a beginning, what is repeated, and an end;
FRAMED = "&|amp;| &|AMP;| &|#38;| x@|a.| x@|a-|@ a@b.c|-|d [|1|] +|1| http://|.|a é|a| é|&|; <|&amp;|"
# one thing for one half, and another for the other;
NESTED = "(|) [|] <|> &|amp; &#|7; &#xFE|FF; &am|p; &am&#xFEFF;|p; \x1b[|m"
# and some of these, in no order.
MIXED = (
    "<>/&; a",
    "&amp;#1x ",
    "()+-. 123/",
    "Ãâ€ ©\x80a",
    "[]1ae{}",
    "a@.- ",
    " \n\t\r",
    "\u0301\u0316ae ",
    "中a 。、",
)


def column(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


def hostile(size: int) -> Iterator[tuple[str, list[str]]]:
    """Texts of about `size` characters in all, each with a name."""
    rng = random.Random(1)
    for unit in UNITS.split("|"):
        yield unit, [unit * (size // len(unit))]
    for framed in FRAMED.split():
        before, unit, after = framed.split("|")
        yield framed, [before + unit * (size // len(unit)) + after]
    for nested in NESTED.split():
        one, other = nested.split("|")
        yield nested, ["".join(half * (size // len(one + other)) for half in (one, other))]
    for alphabet in MIXED:
        yield f"some of {alphabet}", ["".join(rng.choices(alphabet, k=size))]
    yield "words", [" ".join(f"w{number}" for number in range(size // 7))]
    yield "lines", ["\n".join(f"Line {number} of it." for number in range(size // 17))]
    yield "telephone numbers", [" ".join(f"+49 30 9{number % 100_000:05}" for number in range(size // 14))]
    yield "addresses", [" ".join(f"a{number}@b.de 8.8.8.{number % 200}" for number in range(size // 20))]
    yield "documents", ["É &amp; a@b.de"] * (size // 14)


def seconds(function: Callable[[list[str]], object], texts: list[str]) -> float:
    start = time.process_time()
    function(texts)
    return time.process_time() - start


def too_slow(function: Callable[[list[str]], object], size: int) -> dict[str, float]:
    """By the texts' names how many times as long those take of which that is more than MOST."""
    function(["É a@b.de 8.8.8.8 +49 30 901820 &amp; [1].\n\nThe end of it."])  # what is compiled or loaded, now
    found = {}
    for (name, short), (_, long) in zip(hostile(size // GROWTH), hostile(size), strict=True):
        first = min(seconds(function, short) for _ in range(2))
        assert first < GROWTH, f"{first:.1f} s for {size // GROWTH} characters of {name!r}"
        for _ in range(3):  # a busy machine may make it longer, never shorter
            taken = seconds(function, long)
            if taken <= max(QUICK, MOST * first):
                break
        else:
            found[name] = round(taken / first)
    return found


def repeats(texts: list[str]) -> None:
    hashes = np.arange(0, 2**63, 2**55, dtype=np.uint64)
    for _ in without_repeats(column(texts), Repeats(hashes, hashes)):
        pass


STEPS = [*first_steps(REFINE), *last_steps(REFINE)]


def size_of(step: Step) -> int:
    return {"fix_unicode": STRINGS, "redact_phone": NUMBERS}.get(step.name, KERNELS)


@pytest.mark.parametrize("step", STEPS, ids=[step.name for step in STEPS])
def test_operations_of_refine_take_time_in_proportion_to_the_text(step: Step) -> None:
    assert too_slow(lambda texts: step.operation(column(texts)), size_of(step)) == {}


def test_removing_repeats_takes_time_in_proportion_to_the_text() -> None:
    assert too_slow(repeats, KERNELS) == {}


def test_no_operation_of_refine_is_left_out() -> None:
    alike = {name for name in Refine.model_fields if getattr(REFINE, name) == getattr(Refine(), name)}
    kinds = {name for edit in REFINE.edits for name in ("remove_lines", "replace", "drop") if getattr(edit, name)}

    assert alike == set()
    assert len(kinds) == len(REFINE.edits) == len(Edit.model_fields) - len({"by", "source", "record_id"})


def test_signals_take_time_in_proportion_to_the_text() -> None:
    settings = Annotate(permutations=16)

    assert too_slow(lambda texts: signals(column(texts), settings, STOPS, LISTED), KERNELS) == {}


def contamination(texts: list[str]) -> None:
    strings = from_arrow(column(texts))
    first_overlaps(strings, word_table(strings), INDEX, presence(INDEX.hash))


def shingles(texts: list[str]) -> None:
    shingle_sets(word_table(from_arrow(column(texts))))


def vectors(texts: list[str]) -> None:
    strings = from_arrow(column(texts))
    document_frequencies(strings)
    lexical_vectors(strings, np.ones(BUCKETS, dtype=np.float32), 64)


def spans(texts: list[str]) -> None:
    offsets, ids = encode_bytes(column(texts))
    repeated_spans(ids.astype(np.uint16), offsets, 20)


def _tokenizer() -> Tokenizer:
    """Characters as tokens, and an end token that text may hold: it is not marked as special."""
    characters = sorted(set("".join(text for _, texts in hostile(2**10) for text in texts)))
    tokenizer = Tokenizer(BPE({one: number for number, one in enumerate(characters)}, []))
    tokenizer.add_tokens([AddedToken("aa b", special=False)])
    return tokenizer


TOKENIZER = _tokenizer()


def tokens(texts: list[str]) -> None:
    encode(TOKENIZER, TOKENIZER.token_to_id("aa b"), column(texts))


TRAINED = train([text for _, texts in hostile(2**10) for text in texts], 700)
FAST = FastTokenizer(TRAINED.to_str().encode())


def tokens_by_gigatoken(texts: list[str]) -> None:
    encode(TRAINED, 0, column(texts), FAST)


OTHERS: dict[Callable[[list[str]], Any], int] = {
    contamination: KERNELS,
    vectors: KERNELS,
    shingles: KERNELS,
    spans: NUMBERS,
    tokens: STRINGS,
    tokens_by_gigatoken: KERNELS,
}


@pytest.mark.parametrize(("function", "size"), OTHERS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_else_reads_a_text_takes_time_in_proportion_to_it(
    function: Callable[[list[str]], object], size: int
) -> None:
    assert too_slow(function, size) == {}
