import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from sequitur.text_core.units.strings import Strings, composed, from_arrow

TEXTS = ["", "plain", "naïve 字", "", "😀"]


def texts_of(strings: Strings) -> list[str]:
    begins, ends = strings.offsets[:-1], strings.offsets[1:]
    return [strings.data[i:j].tobytes().decode() for i, j in zip(begins, ends, strict=True)]


@pytest.mark.parametrize("arrow_type", [pa.string(), pa.large_string()])
def test_texts_come_back_from_whole_and_sliced_arrays(arrow_type):
    array = pa.array(TEXTS, arrow_type)
    assert texts_of(from_arrow(array)) == TEXTS
    assert texts_of(from_arrow(array.slice(1, 3))) == TEXTS[1:4]
    assert texts_of(from_arrow(array.slice(4))) == TEXTS[4:]


@pytest.mark.parametrize("arrow_type", [pa.string(), pa.large_string()])
@pytest.mark.parametrize("values", [[], [""], [None], [None, "a", None, "bc"]])
def test_nulls_and_nothing_become_empty_strings(arrow_type, values):
    assert texts_of(from_arrow(pa.array(values, arrow_type))) == [value or "" for value in values]


def test_large_string_is_not_copied():
    array = pa.array(TEXTS, pa.large_string())
    strings = from_arrow(array)
    _, offsets, data = array.buffers()
    assert strings.offsets.ctypes.data == offsets.address
    assert strings.data.ctypes.data == data.address


def test_arrays_are_read_only_and_typed():
    for arrow_type in (pa.string(), pa.large_string()):
        strings = from_arrow(pa.array(TEXTS, arrow_type))
        assert (strings.offsets.dtype, strings.data.dtype) == (np.int64, np.uint8)
        assert not strings.offsets.flags.writeable
        assert not strings.data.flags.writeable


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="not binary"):
        from_arrow(pa.array([b"a"]))


@pytest.mark.parametrize("arrow_type", [pa.string(), pa.large_string()])
def test_composed_is_nfc_and_composed_text_is_not_copied(arrow_type):
    decomposed = [None if text is None else unicodedata.normalize("NFD", text) for text in ["é", None, "한국어", "x"]]
    array = pa.array([*decomposed, "naïve 字", "q\u0301"], arrow_type)
    assert composed(array).to_pylist() == ["é", None, "한국어", "x", "naïve 字", "q\u0301"]
    assert composed(array).type == arrow_type
    assert composed(array.slice(4)) is not array
    for texts in (TEXTS, ["ASCII", "naïve"], []):
        same = pa.array(texts, arrow_type)
        assert composed(same) is same
