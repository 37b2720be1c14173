"""Edits do what the same edits of Python strings do, and count what they change."""

import pyarrow as pa
from datatrove.pipeline.formatters import SymbolLinesFormatter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sequitur.text_core.edits import edits
from sequitur.text_core.edits.edits import Edited
from sequitur.text_core.units.strings import from_arrow

TEXTS = st.lists(st.text(st.sampled_from("ab.… \t\n\r\x0b\x85\u2028-—é字")), max_size=5)


def column(texts: list[str]) -> pa.LargeStringArray:
    """The texts as a slice of a longer column, whose offsets do not begin at 0."""
    return pa.array(["before\n", *texts, "after"], pa.large_string())[1:-1]


def check_counts(before: list[str], edited: Edited) -> None:
    after = edited.text.to_pylist()
    lengths = [len(one) - len(two) for one, two in zip(before, after, strict=True)]
    assert (edited.removed - edited.added).tolist() == lengths
    assert ((edited.changes > 0) | (edited.text.to_numpy(zero_copy_only=False) == before)).all()


@settings(deadline=None)
@given(TEXTS)
@example(["a\r", "\nb"])
@example(["", "\r\n\n\r"])
def test_lines_are_those_of_python(texts: list[str]) -> None:
    strings = from_arrow(column(texts))
    lines = edits.find_lines(strings)

    data = strings.data.tobytes()
    bounds = zip(lines.start[:-1], lines.start[1:], strict=True)
    assert [data[start:end].decode() for start, end in bounds] == [
        line for text in texts for line in text.splitlines(keepends=True)
    ]
    assert [data[start:end].decode() for start, end in zip(lines.start[:-1], lines.end, strict=True)] == [
        line for text in texts for line in text.splitlines()
    ]
    assert (lines.document_offsets[1:] - lines.document_offsets[:-1]).tolist() == [len(t.splitlines()) for t in texts]


@settings(deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
def test_removed_lines_go_with_their_breaks_and_the_others_stay_as_they_are(texts: list[str], random: object) -> None:
    strings = from_arrow(column(texts))
    lines = edits.find_lines(strings)
    keep = [random.random() < 0.5 for _ in lines.end]  # type: ignore[attr-defined]

    edited = edits.without_lines(strings, lines, pa.array(keep, pa.bool_()).to_numpy(zero_copy_only=False))

    verdicts = iter(keep)
    assert edited.text.to_pylist() == [
        "".join(line for line in text.splitlines(keepends=True) if next(verdicts)) for text in texts
    ]
    assert edited.changes.sum() == keep.count(False)
    check_counts(texts, edited)
    edited.text.validate(full=True)


@settings(deadline=None)
@given(TEXTS)
@example(["---\n", "...\r\n \n a", "\x1f\t-", "\t\n"])
def test_symbol_lines_are_datatroves(texts: list[str]) -> None:
    stays = {line: SymbolLinesFormatter().format(line) == line for text in texts for line in text.splitlines()}

    edited = edits.remove_symbol_lines(column(texts))

    assert edited.text.to_pylist() == [
        "".join(line for line in text.splitlines(keepends=True) if stays[line.splitlines()[0]]) for text in texts
    ]
    check_counts(texts, edited)


@settings(deadline=None)
@given(
    st.lists(st.text(st.sampled_from("ab字"), max_size=12), max_size=5),
    st.text(st.sampled_from("ab字"), min_size=1, max_size=3),
    st.text(max_size=3),
)
def test_replace_is_that_of_python(texts: list[str], old: str, new: str) -> None:
    edited = edits.replace(column(texts), old, new)

    assert edited.text.to_pylist() == [text.replace(old, new) for text in texts]
    assert edited.changes.tolist() == [text.count(old) for text in texts]
    check_counts(texts, edited) if old != new else None


@settings(deadline=None)
@given(TEXTS, st.integers(-4, 4).filter(bool), st.integers(-4, 4).filter(bool))
def test_lines_are_dropped_from_either_end(texts: list[str], first: int, last: int) -> None:
    edited = edits.drop_lines(column(texts), first, last)

    for text, dropped in zip(texts, edited.text.to_pylist(), strict=True):
        lines = text.splitlines(keepends=True)
        begin, end = (bound if bound > 0 else len(lines) + bound + 1 for bound in (first, last))
        assert dropped == "".join(line for number, line in enumerate(lines, 1) if not begin <= number <= end)
    check_counts(texts, edited)


def test_only_the_chosen_are_edited() -> None:
    texts = column(["one", "one", "none"])
    chosen = pa.array([False, True, True]).to_numpy(zero_copy_only=False)

    edited = edits.edit_some(texts, edits.replace(texts.filter(pa.array(chosen)), "one", "1"), chosen)

    assert edited.text.to_pylist() == ["one", "1", "n1"]
    assert [column.tolist() for column in edited[1:]] == [[0, 1, 1], [0, 3, 3], [0, 1, 1]]
