import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sequitur.text_core.units.lines import line_table
from sequitur.text_core.units.strings import from_arrow

texts = st.lists(st.sampled_from(["a", "é", "字", "\r", "\n", " "]), max_size=20).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=4))
def test_lines_are_those_of_split(documents):
    strings = from_arrow(pa.array(documents, pa.large_string()))
    table = line_table(strings)
    lines = [text.split("\n") for text in documents]
    assert np.diff(table.document_offsets).tolist() == [len(split) for split in lines]
    flat = [line for split in lines for line in split]
    assert [strings.data[i:j].tobytes().decode() for i, j in zip(table.start, table.end, strict=True)] == flat
    assert table.chars.tolist() == [len(line) for line in flat]
    assert len(set(table.hash.tolist())) == len(set(flat))


def test_a_slice_of_an_array_has_the_lines_of_its_rows():
    array = pa.array(["a\nb", "c", "d\n"], pa.large_string())
    table, whole = line_table(from_arrow(array.slice(1))), line_table(from_arrow(array))
    assert table.hash.tolist() == whole.hash[2:].tolist()
    assert table.document_offsets.tolist() == [0, 1, 3]
