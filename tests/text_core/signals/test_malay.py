import pyarrow as pa

from sequitur.text_core.signals.malay import INDONESIAN, MALAY, malay_votes
from sequitur.text_core.units.strings import from_arrow


def votes(*texts: str) -> list[int]:
    return malay_votes(from_arrow(pa.array(texts, pa.large_string()))).tolist()


def test_words_of_either_are_counted_in_any_case():
    assert votes("Kerana bahawa", "karena KARENA kerana", "", "tidak ada", "bahwa") == [2, -1, 0, 0, -1]
    assert votes() == []


def test_each_word_is_of_one_list_and_one_word():
    malay, indonesian = MALAY.split(), INDONESIAN.split()
    assert len({*malay, *indonesian}) == len(malay) + len(indonesian)
    assert votes(*malay, *indonesian) == [1] * len(malay) + [-1] * len(indonesian)
