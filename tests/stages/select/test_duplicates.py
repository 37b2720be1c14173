"""Links against brute force; and that neither parts, groups nor the way of joining links change a selection."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from sequitur.pipeline import artifacts, builds
from sequitur.pipeline.stage import Run
from sequitur.stages.select import candidates, fuzzy_duplicates, star_rounds
from sequitur.text_core.duplicates.components import connected_components

Execute = Callable[..., Run]
THRESHOLD = 0.8


def write(path: Path, texts: Iterable[str]) -> Path:
    path.write_text("".join(json.dumps({"id": str(row), "text": text}) + "\n" for row, text in enumerate(texts)))
    return path


def planted(originals: int, seed: int) -> list[str]:
    """Texts of words without meaning, two fifths as many copies with their last words replaced, and copies of these."""
    rng = random.Random(seed)
    words = [f"{a}{b}{c}" for a in "bdfglmnprst" for b in ("an", "el", "ir", "os", "um") for c in "abcdefghij"]
    texts = [rng.choices(words, k=rng.randint(40, 140)) for _ in range(originals)]
    for number in range(originals * 2 // 5):
        copied = texts[number] if number % 4 else texts[-1]
        shingles = len(copied) - 4
        replaced = round(shingles * (1 - (similarity := rng.uniform(0.6, 1))) / (1 + similarity))
        texts.append(copied[: len(copied) - replaced] + rng.choices(words, k=replaced))
    rng.shuffle(texts)
    return [" ".join(text) for text in texts]


def jaccard_by_hand(texts: list[str]) -> dict[tuple[int, int], float]:
    """The similarity of all pairs that share a shingle."""
    sets = [set(zip(*(text.split()[start:] for start in range(5)), strict=False)) for text in texts]
    holders: dict[tuple[str, ...], list[int]] = {}
    for row, shingles in enumerate(sets):
        for shingle in shingles:
            holders.setdefault(shingle, []).append(row)
    common = Counter(pair for rows in holders.values() for pair in combinations(rows, 2))
    return {(a, b): count / (len(sets[a]) + len(sets[b]) - count) for (a, b), count in common.items()}


def find_links(run: Run, alive: np.ndarray) -> Mapping[str, Any]:
    likeness = candidates.Likeness.of(run.config)
    builds.begin(run.artifact("selection"), "some")
    return fuzzy_duplicates.find_links(run.jobs, run.root, run.artifact(run.text), likeness, alive)


def links_of(run: Run) -> dict[tuple[int, int], float]:
    table = artifacts.read_columns(run.artifact(fuzzy_duplicates.LINKS), ["a", "b", "similarity"]).to_pydict()
    return dict(zip(zip(table["a"], table["b"], strict=True), table["similarity"], strict=True))


@pytest.fixture(scope="session")
def annotated(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ten thousand small documents with their signals."""
    root = tmp_path_factory.mktemp("planted")
    path = write(root / "planted.jsonl", planted(7200, seed=1))
    return execute(root / "run", "annotate", ingest={"inputs": [str(path)], "part_bytes": 2**20, "split_bytes": 2**22})


def test_links_are_those_of_brute_force(annotated: Run, rows: Any) -> None:
    texts = [row["text"] for row in rows(annotated)]
    assert len(texts) >= 10_000
    expected = jaccard_by_hand(texts)
    counts = find_links(annotated, np.ones(len(texts), dtype=bool))
    links = links_of(annotated)
    assert counts["verified_pairs"] == len(links) <= counts["candidate_pairs"]
    assert all(similarity >= THRESHOLD for similarity in links.values())
    assert links == {pair: pytest.approx(expected[pair]) for pair in links}
    clear = [pair for pair, similarity in expected.items() if similarity >= THRESHOLD + 0.05]
    assert len(clear) > 800
    assert sum(pair in links for pair in clear) >= 0.98 * len(clear)


@pytest.mark.parametrize("group_bytes", [2**10, 2**12])
def test_hot_keys_are_spread_over_groups_and_stay_connected(
    execute: Execute, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    rng = random.Random(0)
    page = [f"word{rng.randrange(10**6)}" for _ in range(300)]
    path = write(tmp_path / "page.jsonl", (" ".join([*page, f"number{number}"]) for number in range(400)))
    run = execute(tmp_path / "run", "annotate", ingest={"inputs": [str(path)], "part_bytes": 2**18})
    monkeypatch.setattr(candidates, "GROUP_BYTES", group_bytes)
    counts = find_links(run, np.ones(400, dtype=bool))
    edges = np.array(list(links_of(run)))
    assert not connected_components(edges, 400).any()
    assert counts["candidate_pairs"] <= 17 * 400 * counts["bands"]
    largest = max(part.rows for part in run.manifest(fuzzy_duplicates.CANDIDATES).parts)
    assert largest <= 6 * 33 * group_bytes // candidates.RECORD.itemsize


def test_star_rounds_find_the_components_of_union_find(annotated: Run) -> None:
    rng = np.random.default_rng(0)
    nodes = np.flatnonzero(rng.random(5000) < 0.5)
    edges = np.sort(nodes[rng.integers(0, len(nodes), (1800, 2))], axis=1)
    chain = nodes[:400]
    edges = np.concatenate((edges, np.sort(np.column_stack((chain[1:], rng.permutation(chain)[1:])), axis=1)))
    nodes = np.unique(edges)
    directory = annotated.artifact("selection/_some_links")
    builds.begin(directory, "some")
    for number, part in enumerate(np.array_split(edges, 3)):
        batch = pa.record_batch({"a": part[:, 0].copy(), "b": part[:, 1].copy()})
        builds.write_part(builds.current(directory), f"part-{number}.arrow", batch, compress=False)
    builds.finish(builds.current(directory), {}, {}, {})
    labels = star_rounds.components(annotated.jobs, annotated.root, directory, nodes)
    assert labels.tolist() == connected_components(np.searchsorted(nodes, edges), len(nodes)).tolist()


@pytest.fixture(scope="session")
def selected(execute: Execute, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The corpus until select. Not to be changed."""
    return execute(tmp_path_factory.mktemp("selected") / "run", "select")


@pytest.fixture
def again(selected: Run, execute: Execute, tmp_path: Path) -> Callable[..., Run]:
    """Selects again with other settings, in a copy."""

    def run(**options: Any) -> Run:
        output = tmp_path / "again"
        if not output.exists():
            shutil.copytree(selected.config.output, output)
        return execute(output, "select", select=options)

    return run


def content(run: Run) -> dict[str, str]:
    assert [name for name in run.artifact("selection").names() if name.startswith("_")] == ["_manifest.json"]
    return {part.name: part.checksum for part in run.manifest("selection").parts}


@pytest.mark.parametrize("group_bytes", [2**10, 2**13, 2**24])
def test_a_selection_is_the_same_by_star_rounds_and_by_any_groups(
    again: Any, selected: Run, monkeypatch: pytest.MonkeyPatch, group_bytes: int
) -> None:
    rounds = []
    one_round = star_rounds._round
    monkeypatch.setattr(star_rounds, "_round", lambda *given: (rounds.append(given), one_round(*given)))
    monkeypatch.setattr(candidates, "GROUP_BYTES", group_bytes)
    monkeypatch.setattr(star_rounds, "GROUP_BYTES", group_bytes // 16)
    assert content(again(in_memory_links=0, alarm_share=0.4)) == content(selected)
    assert len(rounds) >= 2


@pytest.mark.parametrize(
    "target", [fuzzy_duplicates.CANDIDATES, fuzzy_duplicates.SHINGLES, fuzzy_duplicates.LINKS, "selection/_round-1"]
)
def test_a_selection_goes_on_where_it_was_broken_off(
    again: Any, selected: Run, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    finish, begin = builds.finish, builds.begin
    begun: list[str] = []

    def break_off(build: Any, *given: Any) -> None:
        finish(build, *given)
        if build.directory.url.endswith(target):
            raise KeyboardInterrupt

    def note(directory: Any, fingerprint: str, **place: bool) -> Any:
        begun.append(directory.url)
        return begin(directory, fingerprint, **place)

    options = {"in_memory_links": 0, "alarm_share": 0.4}
    with monkeypatch.context() as patch:
        patch.setattr(builds, "finish", break_off)
        with pytest.raises(KeyboardInterrupt):
            again(**options)
    monkeypatch.setattr(builds, "begin", note)
    assert content(again(**options)) == content(selected)
    assert not any(url.endswith(target) for url in begun)
