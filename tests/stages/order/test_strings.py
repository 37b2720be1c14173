"""The strings of documents: what they are, of which documents, asked by how many."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sequitur.pipeline.stage import Run
from sequitur.stages.order import strings as strings_module
from sequitur.stages.order.documents import RunDocuments
from sequitur.stages.order.strings import Strings


@pytest.mark.parametrize("filled", [False, True])
def test_strings_are_pairs_of_tokens_of_documents_and_of_what_long_ones_share(
    finished: Run, monkeypatch: pytest.MonkeyPatch, filled: bool
) -> None:
    monkeypatch.setattr(strings_module, "BLOCK_TOKENS", 1000)
    length = 64
    documents = RunDocuments(finished.root, finished.config.order, length, finished.progress, rows_filled=filled)
    offsets, ids = documents.terms
    members = np.flatnonzero(documents.lengths % length)[::3]
    numbers: dict[tuple[int, ...], set[int]] = {}  # of each string: hashes that all its documents hold
    found = documents.strings(members, 1)
    some = documents.strings(members, 4)
    for i, x in enumerate(members.tolist()):
        tokens = ids[offsets[x] : offsets[x + 1]].tolist()
        part = len(tokens) % length
        shared = tokens if len(tokens) < length else tokens[:part] if filled else tokens[-part:]
        size = min(strings_module.STRING_TOKENS, len(shared))
        strings = {tuple(shared[at : at + size]) for at in range(len(shared) - size + 1)}
        hashes = found.hashes[found.offsets[i] : found.offsets[i + 1]]
        assert len(hashes) == len(strings)
        kept = some.hashes[some.offsets[i] : some.offsets[i + 1]]
        assert kept.tolist() == [one for one in hashes.tolist() if one % 4 == 0]
        held = set(hashes.tolist())
        for string in strings:
            numbers[string] = numbers.get(string, held) & held
    assert min(map(len, numbers.values())) > 0
    assert len(documents.strings(members[:0], 1).offsets) == 1


def test_several_threads_may_ask_for_strings(finished: Run) -> None:
    documents = RunDocuments(finished.root, finished.config.order, 64, finished.progress, threads=3)
    some = np.array_split(np.flatnonzero(documents.lengths % 64), 12)
    alone = [documents.strings(members, 1) for members in some]
    documents = RunDocuments(finished.root, finished.config.order, 64, finished.progress, threads=3)
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda members: documents.strings(members, 1), some))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.offsets, other.offsets)
        np.testing.assert_array_equal(one.hashes, other.hashes)


def test_of_tokens_that_are_bytes_eight_make_a_string() -> None:
    ids = np.tile(np.arange(20, dtype=np.uint32), 2)
    lengths = np.array([20, 20])

    def read(some: np.ndarray, length: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert some.tolist() == [0, 1]
        assert length.tolist() == [20, 20]
        return np.array([0, 20, 40]), ids

    sizes = [np.diff(Strings(vocabulary, 64).of(lengths, 1, read).offsets).tolist() for vocabulary in (256, 512)]
    assert sizes == [[13, 13], [19, 19]]
