"""No tokenizer makes the end of a document of its text, or fails on one in more than a line."""

from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from sequitur.pipeline.errors import ModelError
from sequitur.stages.tokenize import stage as tokenize
from sequitur.stages.tokenize.encoding import encode, of_library

END = "</s>"


def unigram() -> Tokenizer:
    """Reaches its end token by its own words."""
    words = [("<unk>", 0.0), (END, -1.0), *((letter, -5.0) for letter in "abcs</> ")]
    return Tokenizer(models.Unigram(words, unk_id=0))


def word_level() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, END: 1, "a": 2, "b": 3}, unk_token="[UNK]"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def not_special() -> Tokenizer:
    """An added token that is found in text whatever is said of special ones."""
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate("abcs</>S ")}, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_tokens([AddedToken(END, special=False, normalized=True)])
    return tokenizer


def encoded(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    tokenizer.encode_special_tokens = True
    offsets, ids = encode(tokenizer, tokenizer.token_to_id(END), pa.array(texts, pa.large_string()))
    return [ids[begin:end].tolist() for begin, end in pairwise(offsets)]


@pytest.mark.parametrize("make", [unigram, word_level, not_special])
@given(texts=st.lists(st.text("abcs</> S", max_size=20) | st.sampled_from([END, f"a {END} b", f"{END}{END}"])))
def test_an_end_stands_after_each_text_and_nowhere_else(make, texts) -> None:
    tokenizer = make()
    end = tokenizer.token_to_id(END)
    for row, text in zip(encoded(tokenizer, texts), texts, strict=True):
        assert (row.count(end), row[-1]) == (1, end)
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        assert end in plain or row[:-1] == plain


def test_what_is_cut_is_still_the_text() -> None:
    tokenizer = unigram()
    (row,) = encoded(tokenizer, [f"a {END} b"])
    assert "".join(tokenizer.id_to_token(token) for token in row[:-1]) == f"a {END} b"


def test_an_end_of_one_character_is_refused() -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    with pytest.raises(ModelError, match=r"^tokenize.end_of_document: the tokenizer makes 'b' of one character"):
        encode(tokenizer, 1, pa.array(["ab"], pa.large_string()))


def test_a_tokenizer_that_fails_is_told_in_a_line() -> None:
    tokenizer = Tokenizer(models.BPE({"a": 0, END: 1}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(a+)+$"), "isolated")
    with pytest.raises(ModelError, match=r"^tokenize.tokenizer: fails on a text \(") as failed:
        encoded(tokenizer, [40 * "a" + "!"])
    assert "\n" not in str(failed.value)


def test_the_vocabulary_ends_with_the_largest_id(tmp_path) -> None:
    tokenizer = Tokenizer.from_str(
        Tokenizer(models.WordLevel({"a": 0, END: 70_000}, unk_token="a")).to_str()  # noqa: S106
    )
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    assert tokenizer.get_vocab_size() == 2
    assert tokenize.vocabulary_size(tokenize.load(str(path))) == 70_001


def test_whatever_the_library_raises_is_told_by_name() -> None:
    panic = type("PanicException", (BaseException,), {})  # as Rust's is called
    for error in (Exception("first\nsecond"), panic("first\nsecond")):
        with pytest.raises(ModelError, match=r"^it fails \(first\); mend it$"), of_library("it fails", "mend it"):
            raise error
    with pytest.raises(KeyboardInterrupt), of_library("it fails", "mend it"):
        raise KeyboardInterrupt
