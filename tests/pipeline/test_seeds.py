"""Derived seeds: fixed for ever, since every order and every sample rests on them."""

from itertools import combinations

from sequitur.pipeline.seeds import derived_seed


def test_seeds_are_what_they_always_were() -> None:
    """Another value here is another order of every corpus under an unchanged configuration."""
    assert derived_seed(0, "embed") == 8227607412031047654
    assert derived_seed(7, "order", "contexts") == 7156698934880226347


def test_seeds_differ_by_names_and_by_where_names_end() -> None:
    seeds = [derived_seed(1, *names) for names in (("ab",), ("a", "b"), ("a", "b", ""), ("",), ())]

    assert all(0 <= seed < 2**63 for seed in seeds)
    assert all(one != other for one, other in combinations(seeds, 2))
