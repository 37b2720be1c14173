"""Plans of an index: what is chosen and why, what is built, how far it is widened.

Run: python -m pytest tests/graph_sort/test_neighbor_plans.py
"""

import faiss
import numpy as np
import pytest

from sequitur.graph_sort import neighbor_plans
from sequitur.graph_sort.neighbor_plans import BudgetError, Plan, build, choose, train, widen
from sequitur.graph_sort.neighbors import MARGIN, VectorError, scan, search

GIB = 2**30
K = 8
PLANS = [
    Plan("exact", 0, 0, K + 1 + MARGIN, 0, ""),
    Plan("ivf_flat", 60, 0, K + 1 + MARGIN, 0, ""),
    Plan("ivf_sq8", 60, 0, 2 * (K + 1 + MARGIN), 0, ""),
    Plan("ivf_pq", 60, 8, 8 * (K + 1 + MARGIN), 0, ""),
]
INVERTED = PLANS[1:]


def kind(plan):
    return plan.kind


@pytest.fixture(scope="module")
def corpus(unit_vectors):
    return unit_vectors(4000, d=32, seed=6).astype(np.float16)


def recall(found, truth):
    return np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), truth.tolist(), strict=True)])


def test_the_most_exact_plan_that_fits():
    chosen = [choose(10_000_000, 384, 20, budget * GIB) for budget in (16, 8, 3, 1)]
    assert [plan.kind for plan in chosen] == ["ivf_flat", "ivf_sq8", "ivf_pq", "ivf_pq"]
    assert [plan.code_bytes for plan in chosen] == [0, 0, 96, 48]
    assert chosen[1].reason == "ivf_sq8: ivf_flat would take 14.7 GiB of the 8.0 GiB allowed"
    assert "ivf_sq8 would take" in chosen[2].reason
    assert "ivf_pq of 64 bytes would take" in chosen[3].reason
    assert "hours of one core" in chosen[0].reason
    assert all(plan.memory_bytes <= budget * GIB for plan, budget in zip(chosen, (16, 8, 3, 1), strict=True))


@pytest.mark.parametrize("d", [64, 512])
def test_exact_while_that_is_quick(d):
    n = int((neighbor_plans.EXACT_MULTIPLICATIONS / d) ** 0.5)
    assert choose(n, d, 20, GIB).kind == "exact"
    assert choose(n + 1, d, 20, GIB).kind == "ivf_flat"
    assert choose(0, d, 20, GIB).kind == choose(1, d, 20, GIB).kind == "exact"


def test_a_budget_at_the_boundary():
    flat = choose(1_000_000, 256, 20, 64 * GIB)
    assert choose(1_000_000, 256, 20, flat.memory_bytes) == flat._replace(
        reason=choose(1_000_000, 256, 20, flat.memory_bytes).reason
    )
    assert choose(1_000_000, 256, 20, flat.memory_bytes - 1).kind == "ivf_sq8"


def test_no_plan_fits():
    with pytest.raises(
        BudgetError, match=r"no index fits 100\.0 MiB; allow at least .* \(ivf_pq of 8 bytes\)"
    ) as error:
        choose(1_000_000, 256, 20, 100 * 2**20)
    assert choose(1_000_000, 256, 20, error.value.needed).kind == "ivf_pq"
    with pytest.raises(BudgetError):
        choose(1_000_000, 256, 20, error.value.needed - 1)


@pytest.mark.parametrize("d", [1, 2, 7, 101, 300, 384])
def test_codes_divide_the_dimensions(d):
    assert all(d % size == 0 for size in neighbor_plans._code_sizes(d))


@pytest.mark.parametrize("plan", INVERTED, ids=kind)
def test_widened_until_enough_is_found(corpus, plan):
    truth = scan(corpus, corpus, np.arange(4000), K).neighbor
    index = build(plan, corpus, seed=2)
    probes = []
    for target in (0.8, 0.95, 1.0):
        found = widen(index, plan, corpus, K, target, seed=3)
        assert found.reached
        assert found.recall >= target
        assert (found.queries, found.nprobe) == (1000, index.nprobe)
        neighbor = search(index, corpus, corpus, np.arange(4000), K, found.depth).neighbor
        assert abs(recall(neighbor, truth) - found.recall) < 0.02
        probes.append(found.nprobe)
    assert 1 <= probes[0] < probes[1] < probes[2] <= 60


@pytest.mark.parametrize("plan", INVERTED[:1], ids=kind)
def test_the_recall_is_that_of_a_search_and_no_fewer_lists_would_do(corpus, plan):
    index = build(plan, corpus, seed=2)
    found = widen(index, plan, corpus, K, 0.9, seed=3)
    asked = np.sort(np.random.Generator(np.random.PCG64(3)).choice(4000, size=1000, replace=False))
    truth = scan(corpus, corpus[asked], asked, K).neighbor
    assert recall(search(index, corpus, corpus[asked], asked, K, found.depth).neighbor, truth) == pytest.approx(
        found.recall
    )
    index.nprobe = found.nprobe - 1
    assert recall(search(index, corpus, corpus[asked], asked, K, found.depth).neighbor, truth) < 0.9


def test_codes_too_coarse_are_said_to_be(unit_vectors):
    vectors = unit_vectors(3000, d=32, seed=9)
    plan = Plan("ivf_pq", 10, 1, K + 1 + MARGIN, 0, "")
    found = widen(build(plan, vectors, seed=1), plan, vectors, K, 1.0, seed=1)
    assert not found.reached
    assert found.recall < 1
    assert (found.nprobe, found.depth) == (10, 8 * plan.depth)


@pytest.mark.parametrize("plan", PLANS, ids=kind)
def test_the_same_index_whatever_the_threads(corpus, plan):
    threads = faiss.omp_get_max_threads()
    built = []
    for number in (1, 2):
        faiss.omp_set_num_threads(number)
        index = build(plan, corpus, seed=2)
        built.append((widen(index, plan, corpus, K, 0.9, seed=3), faiss.serialize_index(index).tobytes()))
    faiss.omp_set_num_threads(threads)
    assert built[0] == built[1]


@pytest.mark.parametrize("plan", PLANS, ids=kind)
def test_blocks_float32_and_a_file_make_no_difference(corpus, plan, monkeypatch, tmp_path):
    index = build(plan, corpus, seed=2)
    monkeypatch.setattr(neighbor_plans, "SCAN_BLOCK", 999)
    assert faiss.serialize_index(build(plan, corpus.astype(np.float32), seed=2)).tobytes() == (
        faiss.serialize_index(index).tobytes()
    )
    faiss.write_index(index, str(tmp_path / "index"))
    mapped = faiss.read_index(str(tmp_path / "index"), faiss.IO_FLAG_MMAP)
    ids = np.arange(100)
    expected = search(index, corpus, corpus[:100], ids, K, plan.depth)
    assert (search(mapped, corpus, corpus[:100], ids, K, plan.depth).neighbor == expected.neighbor).all()


@pytest.mark.parametrize("plan", [plan._replace(lists=min(plan.lists, 1)) for plan in PLANS], ids=kind)
@pytest.mark.parametrize("n", [300, 2])
def test_k_of_n_or_more(corpus, plan, n):
    vectors = corpus[:n]
    if plan.kind == "ivf_pq" and n < 256:
        plan = plan._replace(kind="ivf_sq8")  # a codebook wants 256 vectors; `choose` gives one only to far more
    index = build(plan, vectors, seed=0)
    found = widen(index, plan, vectors, n + 3, 1.0, seed=0)
    assert found.reached
    neighbor = search(index, vectors, vectors, np.arange(n), n + 3, found.depth).neighbor
    assert ((neighbor >= 0).sum(axis=1) == n - 1).all()


@pytest.mark.parametrize("plan", PLANS, ids=kind)
def test_zero_vectors_and_copies(plan):
    vectors = np.zeros((400, 32), np.float16)
    vectors[:200, 3] = 1
    index = build(plan, vectors, seed=0)
    found = widen(index, plan, vectors, K, 0.9, seed=0)
    neighbor = search(index, vectors, vectors, np.arange(400), K, found.depth).neighbor
    assert (neighbor >= 0).all()
    assert (neighbor[:200] < 200).all()


def test_nothing_and_one():
    for n in (0, 1):
        vectors = np.ones((n, 4), np.float16)
        plan = choose(n, 4, K, GIB)
        index = build(plan, vectors, seed=0)
        assert widen(index, plan, vectors, K, 0.95, seed=0) == (1.0, 0, K + 1 + MARGIN, n, True)


@pytest.mark.parametrize("plan", PLANS, ids=kind)
def test_bad_vectors(corpus, plan):
    vectors = corpus.copy()
    vectors[3000, 1] = np.nan
    with pytest.raises(VectorError, match="NaN"):
        build(plan, vectors, seed=0)
    with pytest.raises(VectorError, match=r"\[n, d\]"):
        build(plan, vectors[0], seed=0)


@pytest.mark.parametrize("plan", INVERTED, ids=kind)
def test_centroids_may_be_those_of_another_index(corpus, plan):
    built = build(plan, corpus, seed=2, centroids=train(INVERTED[0], corpus, seed=2))
    assert faiss.serialize_index(built).tobytes() == faiss.serialize_index(build(plan, corpus, seed=2)).tobytes()
