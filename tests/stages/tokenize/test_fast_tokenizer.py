"""gigatoken gives the ids of tokenizers where it is used, and is used where it gives them."""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from gigatoken.gigatoken_rs import pretokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from sequitur.pipeline.progress import Progress
from sequitur.stages.tokenize import fast_tokenizer, trial
from sequitur.stages.tokenize import stage as tokenize
from sequitur.stages.tokenize.encoding import encode
from sequitur.stages.tokenize.fast_tokenizer import RANGES, FastTokenizer, difference, unlike
from sequitur.stages.tokenize.hard_texts import PARTS, hard_texts
from sequitur.stages.tokenize.training import letters_of_bytes

END = "<|endoftext|>"
CL100K = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
WORD = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
O200K = (
    rf"{WORD}*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    rf"{WORD}+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Of the great blocks, whose characters are all alike, some: ideographs, Hangul, private use.
BLOCKS = [
    *(
        range(0x3400),
        range(0x3400, 0xA000, 16),
        range(0xA000, 0xAC00),
        range(0xAC00, 0xD7A4, 16),
        range(0xD7A4, 0xD800),
    ),
    *(range(0xE000, 0xF900, 64), range(0xF900, 0x20000), range(0x20000, 0x40000, 16), range(0xE0000, 0xE0200)),
]
EVERY = [chr(point) for block in BLOCKS for point in block]
TEXTS = (
    list(hard_texts(()))
    + ["the cat's 12 hats, don't THE\n\n  they'LL see  Привет мир 中文字 e\u0301té (\U00010940(\U00010940"] * 50
)


def byte_level(split: str | None = None, **options: Any) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(**options))
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    parts = [] if split is None else [pre_tokenizers.Split(Regex(split), "isolated")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*parts, plain]) if parts else plain
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trained = trainers.BpeTrainer(
        vocab_size=1500, special_tokens=[END, "<|pad|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trained)
    return tokenizer


def changed(tokenizer: Tokenizer, change: Callable[[dict[str, Any]], object]) -> Tokenizer:
    whole = json.loads(tokenizer.to_str())
    change(whole)
    return Tokenizer.from_str(json.dumps(whole))


def metaspace() -> Tokenizer:
    """Words behind `▁`, and bytes for characters that it does not know."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    special = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = trainers.BpeTrainer(vocab_size=1500, special_tokens=special, limit_alphabet=300, show_progress=False)
    tokenizer.train_from_iterator((text for text in TEXTS if "<0x" not in text), trained)
    return changed(tokenizer, lambda whole: whole.update(added_tokens=whole["added_tokens"][:2]))


def composed() -> Tokenizer:
    tokenizer = byte_level(CL100K)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens([AddedToken("<call>", special=False, normalized=False, lstrip=True)])
    return tokenizer


SAME = {
    "gpt2": byte_level(),
    "cl100k": byte_level(CL100K),
    "llama3": byte_level(CL100K, ignore_merges=True),
    "o200k": byte_level(O200K),
    "composed": composed(),
    "metaspace": metaspace(),
}
texts_of_parts = st.lists(st.sampled_from([*PARTS, END, "<call>", "</s>"]) | st.text(max_size=6), max_size=30).map(
    "".join
)


def content(tokenizer: Tokenizer) -> bytes:
    return bytes(tokenizer.to_str().encode())


def by_library(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    tokenizer.encode_special_tokens = True
    return [one.ids for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def strings(texts: list[str]) -> pa.LargeStringArray:
    return pa.array(texts, pa.large_string())


@pytest.mark.parametrize("name", SAME)
def test_known_tokenizers_are_found_to_be_the_same(name: str) -> None:
    assert difference(content(SAME[name]), strings(["some text", END])) is None


@pytest.mark.parametrize("name", SAME)
@settings(max_examples=150, deadline=None)
@given(texts=st.lists(texts_of_parts, min_size=1, max_size=4))
def test_ids_are_those_of_the_library(name: str, texts: list[str]) -> None:
    """Special tokens that stand in the text, too, are encoded as text; and `encode` knows which texts are unlike."""
    end = SAME[name].token_to_id(END) or 1
    SAME[name].encode_special_tokens = True
    fast = FastTokenizer(content(SAME[name]))
    expected, given_ids = (encode(SAME[name], end, strings(texts), one) for one in (None, fast))
    assert [column.tolist() for column in given_ids] == [column.tolist() for column in expected]


def normalized() -> Tokenizer:
    tokenizer = composed()
    tokenizer.add_tokens([AddedToken("<tool>", special=False, normalized=True)])
    return tokenizer


def single_word() -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.add_tokens([AddedToken("qzq", special=False, single_word=True)])
    return tokenizer


def lowercase() -> Tokenizer:
    tokenizer = byte_level()
    tokenizer.normalizer = normalizers.Lowercase()
    return tokenizer


def digits() -> Tokenizer:
    tokenizer = byte_level(CL100K)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), tokenizer.pre_tokenizer])
    return tokenizer


OTHER = {
    "it makes other ids of ": [single_word, digits],
    "an added token is looked for in normalized text": [normalized],
    "its merges are left out at random": [
        lambda: changed(byte_level(), lambda whole: whole["model"].update(dropout=0.1))
    ],
    "Unsupported normalizer type: Lowercase": [lowercase],
    "Unknown pre_tokenizer Split regexes": [lambda: byte_level(r"\w+|\W+")],
    'Unsupported model type "Unigram"': [lambda: Tokenizer(models.Unigram([("a", 0.0)]))],
    'Unsupported model type "WordPiece"': [lambda: Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}))],
}


@pytest.mark.parametrize(("why", "make"), [(why, make) for why, several in OTHER.items() for make in several])
def test_others_are_told_apart_in_a_few_words(why: str, make: Callable[[], Tokenizer]) -> None:
    said = difference(content(make()), strings([]))
    assert said is not None
    assert said.startswith(why)
    assert "\n" not in said


def test_one_that_fills_memory_ends_the_process_that_tries_it() -> None:
    """gigatoken makes room for each id up to the last: 64 GB."""
    whole = json.loads(content(SAME["gpt2"]))
    whole["model"]["vocab"]["qzq"] = 4 * 10**9
    said = difference(json.dumps(whole).encode(), strings([]))
    assert said is not None
    assert said.startswith("it ends its process by SIGABRT")


def test_where_it_is_not_installed_tokenizers_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gigatoken.gigatoken_rs", None)
    with pytest.raises(SystemExit, match="gigatoken"):
        trial.compare("", "", [])


def test_every_character_is_alike_but_those_named() -> None:
    """As letter, digit, mark, space; and as it is composed with others."""
    bytes_alone = Tokenizer(
        models.BPE({letter: at for at, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}, [])
    )
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_alone.normalizer = normalizers.NFC()
    composes = FastTokenizer(content(bytes_alone))

    def is_split(characters: list[str]) -> bool:
        text = "\n".join(f"a{one}b 1{one}2 .{one}. {one} {one}  {one}" for one in characters)
        letters = dict(enumerate(map(chr, letters_of_bytes())))
        words = [word.decode("latin-1").translate(letters) for word in pretokenizer(text.encode())]
        return words == [word for word, _ in SAME["gpt2"].pre_tokenizer.pre_tokenize_str(text)]

    def is_composed(characters: list[str]) -> bool:
        text = "\n".join(f"a{one}\u0301{one}\u0323 {one}\u0327\u0301 e\u0323{one} e\u0315{one}" for one in characters)
        return composes.encode(strings([text]))[0].tolist() == bytes_alone.encode(text).ids

    named = {chr(point) for first, last in RANGES for point in range(first, last + 1)}
    for start in range(0, len(EVERY), 512):
        some = [one for one in EVERY[start : start + 512] if one not in named]
        assert is_split(some), f"U+{start:04X} …"
        assert is_composed(some), f"U+{start:04X} …"
    assert not is_split(["\U00010940"])
    assert not is_composed(["\u0897"])


def test_unlike_texts_are_found_in_slices() -> None:
    text = strings(["plain", "é", "\U00010940", "a \u0c5c b", ""])
    assert unlike(text).tolist() == [2, 3]
    assert unlike(text.slice(3)).tolist() == [0]
    assert unlike(text.slice(0, 2)).tolist() == unlike(text.slice(5)).tolist() == []


def test_a_text_on_which_they_differ_goes_to_the_library() -> None:
    tokenizer, text = SAME["gpt2"], "(\U00010940(\U00010940"
    fast = FastTokenizer(content(tokenizer))
    (expected,) = by_library(tokenizer, [text])
    assert fast.encode(strings([text]))[0].tolist() != expected
    assert encode(tokenizer, 0, strings(["a", text]), fast)[1].tolist()[-len(expected) - 1 :] == [*expected, 0]


def test_an_end_that_is_made_of_text_is_taken_apart() -> None:
    tokenizer = byte_level()
    tokenizer.add_tokens([AddedToken("</s>", special=False)])
    tokenizer.encode_special_tokens = True
    end, text = tokenizer.token_to_id("</s>"), strings(["a </s> b", "c", "</s></s>"])
    expected, found = (encode(tokenizer, end, text, one) for one in (None, FastTokenizer(content(tokenizer))))
    assert [column.tolist() for column in found] == [column.tolist() for column in expected]
    assert np.count_nonzero(found[1] == end) == 3


def test_words_it_met_are_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_tokenizer, "RENEWED_AFTER", 100)
    fast, texts = FastTokenizer(content(SAME["gpt2"])), [f"word{number} and more" for number in range(50)]
    begun = fast._encode
    assert [ids.tolist() for ids in fast.encode(strings(texts))] == by_library(SAME["gpt2"], texts)
    assert fast._encode is not begun
    assert fast._bytes <= 100 + len(texts[-1])


def test_the_stage_gives_the_same_tokens_either_way(branch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests, begun = [], list[bytes]()

    class Noted(FastTokenizer):
        def __init__(self, content: bytes) -> None:
            begun.append(content)
            super().__init__(content)

    monkeypatch.setattr(tokenize, "FastTokenizer", Noted)
    for name, worth in (("library", 2**40), ("fast", 0)):
        assert not begun
        monkeypatch.setattr(tokenize, "WORTH", worth)
        manifests.append(branch(name, "tokenize", tokenize={"vocabulary": 500}).manifest("tokens"))
    assert begun
    assert manifests[0] == manifests[1]


def test_a_tokenizer_that_it_does_not_know_is_told_in_a_line(
    branch: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Progress, "say", lambda self, text: said.append(text))
    monkeypatch.setattr(tokenize, "WORTH", 0)
    lowercase().save(str(tmp_path / "tokenizer.json"))
    branch("run", "tokenize", tokenize={"tokenizer": str(tmp_path / "tokenizer.json")})
    (line,) = [line.strip() for line in said if "gigatoken" in line]
    assert line.startswith("tokenizers encodes; gigatoken, which is faster, does not: Unsupported normalizer type")
