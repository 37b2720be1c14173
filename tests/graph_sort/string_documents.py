"""Documents that share strings, in contexts, and their objective counted plainly: what two tests here look at."""

from collections import Counter
from itertools import combinations

import numpy as np

from sequitur.graph_sort.context_search import place
from sequitur.graph_sort.documents import ArrayDocuments, StringSets
from sequitur.graph_sort.graph import from_neighbors
from sequitur.graph_sort.merging import Items, merge
from sequitur.graph_sort.offsets import offsets_of
from sequitur.graph_sort.shared_strings import counted

LENGTH, WORTH = 100, 10**6


def string_sets(sets):
    """`StringSets` of sets of numbers."""
    flat = [hash_ for one in sets for hash_ in sorted(one)]
    return StringSets(offsets_of([len(one) for one in sets]), np.array(flat, np.uint32))


def random_sets(n, seed):
    """Hashes of which many are in several documents; some documents have none."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**32, 30, dtype=np.uint32)
    return [set(rng.choice(hashes, rng.integers(0, 15)).tolist()) for _ in range(n)]


def bits_of(words, bits):
    """Of bits in some words of 64 their numbers."""
    pairs = zip(words, bits, strict=True)
    return {64 * int(word) + at for word, some in pairs for at in range(64) if int(some) >> at & 1}


def places_of(shared, x):
    here = slice(shared.offsets[x], shared.offsets[x + 1])
    assert len(set(shared.word[here].tolist())) == len(shared.word[here])
    found = bits_of(shared.word[here], shared.bits[here])
    assert len(found) == shared.strings[x]
    return found


def held_by(shared, documents):
    """In how many of some documents each place is."""
    return Counter(at for x in documents for at in places_of(shared, x))


def counts(shared, context):
    """Documents of a context that hold each place, of which its bits say the same."""
    found = {at: int(shared.held[context, at]) for at in np.flatnonzero(shared.held[context]).tolist()}
    words = range(shared.some.shape[1])
    assert bits_of(words, shared.some[context]) == set(found)
    assert bits_of(words, shared.several[context]) == {at for at, count in found.items() if count > 1}
    return found


def repeats(shared, context):
    """Σ over contexts and places of the documents that hold one, less the first: of sets, context by context."""
    total = 0
    for c in set(context.tolist()):
        total += sum(count - 1 for count in held_by(shared, np.flatnonzero(context == c)).values())
    return total


def documents_of(random_neighbors, unit_vectors, n, seed, weight):
    rng = np.random.default_rng(seed)
    lengths = rng.choice([1, 7, 30, LENGTH + 20], size=n).astype(np.int64) + rng.integers(0, 2, n)
    return ArrayDocuments(
        from_neighbors(*random_neighbors(n, seed)),
        unit_vectors(n, seed=seed % 1000),
        lengths,
        LENGTH,
        string_sets=string_sets(random_sets(n, seed)),
        strings_weight=weight,
    )


def vector_part(items, context):
    """Σ over pairs that share a context of the product of their vectors and of their bond, pair by pair."""
    vectors = items.vector.astype(np.int64)
    ends = np.repeat(np.arange(len(context)), np.diff(items.offsets))
    bond = {(int(a), int(b)): int(w) for a, b, w in zip(ends, items.neighbor, items.bond, strict=True)}
    pairs = [(a, b) for a, b in combinations(range(len(context)), 2) if context[a] == context[b]]
    return sum(int(vectors[a] @ vectors[b]) + bond.get((a, b), 0) for a, b in pairs)


def placed(documents):
    """Items of the documents, contexts that they were placed in, and the strings of these."""
    size = documents.lengths % LENGTH
    weight = np.sqrt(size / LENGTH)
    graph = documents.graph
    items = Items(
        graph.offsets,
        graph.neighbor,
        np.rint(documents.vectors * weight[:, None] * 3000).astype(np.int16),
        weight,
        size,
        documents.lengths > LENGTH,
        np.rint(np.maximum(graph.weight, 0) * 1e6).astype(np.int64),
    )
    own = place(items, merge(items, LENGTH), LENGTH, 1)
    return items, own, counted(documents.string_sets, own.context, int(own.contexts[0]), WORTH)


def objective(items, shared, context):
    return vector_part(items, context) + WORTH * repeats(shared, context)
