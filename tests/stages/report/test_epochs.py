"""Contexts of epochs are told apart as they lie, and their pairs counted as a person would."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort.metrics import met_before
from sequitur.graph_sort.packing import PackedContexts
from sequitur.stages.report.epochs import cuts_of_epochs
from sequitur.stages.report.order_metrics import Cut
from sequitur.text_core.units.offsets import offsets_of


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=20), st.randoms())
def test_each_context_is_in_its_epoch(contexts: list[tuple[int, int]], random: object) -> None:
    epoch = np.array([one for one, _ in contexts])
    offsets = offsets_of([count for _, count in contexts])
    pieces = np.arange(offsets[-1])
    read = np.random.default_rng(len(contexts)).permutation(len(contexts))
    halves = [read[::2], read[1::2]]
    cut = Cut(PackedContexts(offsets, pieces, pieces * 2, pieces + 1), halves, np.arange(len(contexts)) + 100)
    found = cuts_of_epochs(cut, epoch)

    assert len(found) == epoch.max() + 1
    for number, one in enumerate(found):
        own = np.flatnonzero(epoch == number)
        assert np.diff(one.contexts.offsets).tolist() == [contexts[at][1] for at in own]
        expected = [pieces[offsets[at] : offsets[at + 1]].tolist() for at in own]
        assert one.contexts.document.tolist() == [piece for some in expected for piece in some]
        assert one.contexts.start.tolist() == [2 * piece for some in expected for piece in some]
        assert np.broadcast_to(one.row_lengths, len(own)).tolist() == (own + 100).tolist()
        for half, of_epoch in zip(halves, one.reading_orders, strict=True):
            assert own[of_epoch].tolist() == [at for at in half.tolist() if epoch[at] == number]


@given(st.lists(st.lists(st.integers(-1, 3), min_size=3, max_size=3), max_size=15))
def test_pairs_that_met_are_counted(documents: list[list[int]]) -> None:
    contexts = np.array(documents, np.int64).reshape(-1, 3).T
    pairs = [(a, b) for a in range(len(documents)) for b in range(a) if contexts[2, a] == contexts[2, b] >= 0]
    met = [any(contexts[e, a] == contexts[e, b] >= 0 for e in (0, 1)) for a, b in pairs]
    share = met_before(contexts[2], contexts[:2])

    assert np.isnan(share) if not pairs else share == sum(met) / len(met)
