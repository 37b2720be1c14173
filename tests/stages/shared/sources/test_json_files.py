"""Elements of a JSON file are found one by one; a damaged one costs itself, and one that is not closed the run."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.pipeline.errors import InputError
from sequitur.stages.shared.sources import json_files
from sequitur.stages.shared.sources.compression import Limits
from sequitur.stages.shared.sources.json_files import json_records
from sequitur.stages.shared.sources.record_files import Bad

LIMITS = Limits(record=200, decompressed=10**7)


def read(content: bytes) -> list[Any]:
    found = list(json_records(io.BytesIO(content), LIMITS, "a.json"))
    assert [row for row, _ in found] == list(range(len(found)))
    return [record.reason if isinstance(record, Bad) else record for _, record in found]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
objects = st.dictionaries(st.text(max_size=3), values, max_size=3)


@given(
    records=st.lists(objects, max_size=5),
    indent=st.sampled_from([None, 0, 2]),
    is_ascii=st.booleans(),
    block=st.integers(1, 9),
)
def test_an_array_and_values_in_a_row_give_their_objects(
    records: list[dict[str, Any]], indent: int | None, is_ascii: bool, block: int
) -> None:
    texts = [json.dumps(record, indent=indent, ensure_ascii=is_ascii) for record in records]
    expected = ["too_large" if len(text.encode()) > LIMITS.record else json.loads(text) for text in texts]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_files, "BLOCK", block)
        for whole in (f"[{','.join(texts)}]", f"\ufeff[\n{', '.join(texts)}\n]\n", "".join(texts), " \n".join(texts)):
            assert read(whole.encode()) == expected


def test_a_damaged_element_costs_itself() -> None:
    content = b'[{"a": 1}, {"a": }, {"b": "\xff"}, 7, "text", {"a": "' + b"x" * 200 + b'"}, {"a": 2},]'
    assert read(content) == [{"a": 1}, "bad_json", "bad_utf8", "bad_json", "bad_json", "too_large", {"a": 2}]
    assert read(b'[{"a": 1},, {"a": 2}]') == [{"a": 1}, "bad_json", {"a": 2}]


@pytest.mark.parametrize(
    "content",
    [
        b'[{"a": 1}, {"a": 2}',
        b'[{"a": 1}, {"a": "unclosed}]',
        b'{"a": 1}}',
        b'{"a": 1} [',
        b'{"a": 1} and more',
        b'["\\',
    ],
)
def test_what_is_not_closed_ends_the_run(content: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.json record \d: its brackets or quotes do not match"):
        read(content)


def test_nothing_is_no_record() -> None:
    for content in (b"", b" \n", b"[]", b"\xef\xbb\xbf[ ]"):
        assert read(content) == []


@pytest.mark.parametrize("spaces", [0, 1, 300])
def test_space_around_a_record_counts_not_as_its_size(spaces: int) -> None:
    record = {"text": "a" * (LIMITS.record - len('{"text": ""}'))}
    larger = {"text": record["text"] + "a"}
    around = " " * spaces
    for one, expected in ((record, record), (larger, "too_large")):
        text = f"{around}{json.dumps(one)}{around}"
        assert read(f"[{text},{text}]".encode()) == [expected] * 2
        assert read(f"{text}\n{text}".encode()) == [expected] * 2
