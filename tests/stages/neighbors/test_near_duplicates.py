"""Of near-duplicates one stays: which, and by whose cosine and whose tokens."""

from typing import Any

import numpy as np
import pytest
from neighbor_runs import angles, check, lists, place, work

from sequitur.graph_sort.near_duplicates import Pairs
from sequitur.pipeline import artifacts
from sequitur.stages.neighbors import STAGE
from sequitur.stages.neighbors.near_duplicates import together
from sequitur.stages.shared.columns.arrays import all_values


def test_duplicates_do_not_chain(neighbors_of: Any) -> None:
    run = neighbors_of(angles(0, 15, 30, 120), k=3)
    check(run)
    assert lists(run)[0].tolist() == [0, 2, 3]


def test_one_that_returns_when_its_duplicate_goes(neighbors_of: Any) -> None:
    # 2 is near 1 alone, and 1 near 0, which its only neighbour (k = 1) does not tell at first.
    run = neighbors_of(angles(0, 17, 30, 180), k=1)
    check(run)
    assert lists(run)[0].tolist() == [0, 2, 3]


def test_a_group_larger_than_k(neighbors_of: Any) -> None:
    near = [40 + 0.05 * number for number in range(60)]  # each names only those beside it
    run = neighbors_of(angles(*near, 100, 160), k=2)
    check(run)
    assert lists(run)[0].tolist() == [0, 60, 61]
    assert run.manifest("neighbors").statistics["rounds"] == 2


def test_above_one_the_threshold_is_off(neighbors_of: Any) -> None:
    run = neighbors_of(angles(0, 0, 0, 90), k=2, duplicate_cosine=1.01)
    assert lists(run)[0].tolist() == [0, 1, 2, 3]
    assert run.manifest("neighbors").statistics["duplicates"] == 0


def test_the_models_own_cosine_decides(job_of: Any) -> None:
    own = angles(0, 17, 90, 116, 200, 220)  # cosines of the pairs: 0.956, 0.899, 0.940
    words = angles(0, 90, 0, 0, 0, 5)  # 0, 1, 0.996
    joint = np.concatenate([np.sqrt(0.7) * own, np.sqrt(0.3) * words], axis=1)
    job = job_of(k=5, sections={"embed": {"lexical_weight": 0.3}})
    run = work(place(job, joint, model_dimensions=2))
    assert lists(run)[0].tolist() == [0, 2, 3, 4, 5]
    np.testing.assert_allclose(
        all_values(run.artifact("neighbors/duplicates"), "cosine"), np.cos(np.radians(17)), atol=1e-3
    )
    assert run.manifest("neighbors").statistics["duplicates_at_cosine"]["0.93"] == 2


def test_duplicates_must_share_tokens_where_that_is_asked_for(job_of: Any) -> None:
    tokens = [range(100), range(100), range(100, 200), range(50, 150), range(13)]
    run = work(place(job_of(k=4, duplicate_jaccard=0.3), angles(0, 1, 2, 3, 4), tokens=tokens))
    (row,) = artifacts.read_columns(run.artifact("neighbors/duplicates"), ["ordinal", "jaccard"]).to_pylist()
    assert row == {"ordinal": 1, "jaccard": 1}
    run = work(place(job_of("low", k=4, duplicate_jaccard=0.2), angles(0, 1, 2, 3, 4), tokens=tokens))
    lost = artifacts.read_columns(run.artifact("neighbors/duplicates"), ["ordinal", "duplicate_of", "jaccard"])
    # Of 88 n-grams each, 38 are in both of 0 and 3; 3 is as near to 2, which it shares 38 with, too.
    assert [(row["ordinal"], row["duplicate_of"]) for row in lost.to_pylist()] == [(1, 0), (3, 2)]
    assert lost["jaccard"].to_pylist() == pytest.approx([1, 38 / 138])
    assert STAGE.parents_of(run.config)[-2:] == ("vectors", "tokens")
    assert STAGE.parents_of(job_of().config)[-1] == "vectors"


def test_other_thresholds_are_tried(neighbors_of: Any) -> None:
    statistics = neighbors_of(angles(0, 9, 90, 115), k=3).manifest("neighbors").statistics
    assert statistics["duplicates_at_cosine"] == {f"0.{at}": 1 + (at == 90) for at in range(90, 99)} | {"0.99": 0}
    assert statistics["duplicates"] == 1


def test_pairs_of_several_parts_are_judged_together_and_once() -> None:
    def of_part(*edges: tuple[int, int]) -> Pairs:
        return Pairs(np.array(edges, np.int64).reshape(-1, 2), np.full(len(edges), 0.9, np.float32))

    parts = [of_part((3, 1)), of_part(), of_part((1, 3), (0, 2)), of_part((4, 5)), of_part()]
    assert [pairs.edges.tolist() for pairs in together(parts, least=3)] == [[[0, 2], [1, 3]], [[4, 5]]]
    assert [len(pairs.edges) for pairs in together(parts, least=1)] == [1, 2, 1, 0]
    assert list(together([])) == []
