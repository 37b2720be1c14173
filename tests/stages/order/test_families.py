"""Families hold what they are named for, each ordered by itself; the router says the same of a new document."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequitur.graph_sort import balanced_clusters
from sequitur.pipeline import artifacts
from sequitur.pipeline.errors import ConfigError
from sequitur.pipeline.names import ROUTER
from sequitur.pipeline.stage import Run
from sequitur.stages.order import families
from sequitur.stages.order import stage as order
from sequitur.stages.shared.columns.groups import group_codes, kept_column, string_field, string_fields
from sequitur.stages.shared.columns.router import read_router, router_files
from sequitur.stages.shared.columns.stored_vectors import StoredVectors
from sequitur.stages.shared.columns.token_store import TokenStore

PATH = {"strategy": "path"}
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["title", "a"]), inner), max_leaves=5
)


@pytest.fixture
def ordered(branch: Callable[..., Run]) -> Callable[..., Run]:
    """Goes on from the neighbours of the finished run with some families."""

    def run(name: str = "run", **settings: Any) -> Run:
        return branch(name, "order", order=PATH, families=settings)

    return run


def columns(run: Run) -> dict[str, np.ndarray]:
    table = artifacts.read_columns(run.artifact("order"), ["ordinal", "path", "opens", "family", "cosine_to_previous"])
    return {name: table[name].to_numpy() for name in table.column_names}


def names_of(run: Run) -> list[str]:
    names: list[str] = run.manifest("order").statistics["families"]
    return names


def check(run: Run) -> dict[str, np.ndarray]:
    """What holds of all families: everyone once, families and paths one after the other, each path in one family."""
    found = columns(run)
    assert list(order.verify(run)) == []
    assert set(found["family"].tolist()) == set(range(len(names_of(run))))
    assert (np.diff(found["family"]) >= 0).all()
    assert set(np.diff(found["path"]).tolist()) <= {0, 1}
    begins = np.flatnonzero(np.diff(found["family"], prepend=-1))
    assert np.isnan(found["cosine_to_previous"][begins]).all()
    assert np.isnan(found["cosine_to_previous"]).sum() == len(begins)
    assert (np.diff(found["path"])[begins[1:] - 1] == 1).all()
    return found


def test_a_family_for_each_source(ordered: Callable[..., Run]) -> None:
    run = ordered(by=["source"])
    found = check(run)
    codes, names = group_codes(run.root, "source")

    assert names_of(run) == names == ["books", "web"]
    assert found["family"].tolist() == codes[found["ordinal"]].tolist()
    assert json.loads(router_files(run.artifact(ROUTER))["router.json"])["groups"] == []


@pytest.mark.parametrize("by", ["source", "language", "url", "section"])
def test_groups_are_those_that_all_documents_read_at_once_would_have(by: str, finished: Run) -> None:
    codes, names = group_codes(finished.root, by)

    artifact, column = ("signals", by) if by == "language" else ("documents", "metadata" if by == "section" else by)
    values = kept_column(finished.root, artifact, column).cast("string").to_pylist()
    if by == "section":
        values = [string_field(value, by) for value in values]
    if by == "url":
        values = [None if value is None else value.split("/")[2].lower() for value in values]
        names = [name.split("\0")[0] for name in names]
    assert codes.dtype == np.int64
    assert [None if code < 0 else names[code] for code in codes.tolist()] == values
    assert sorted({value for value in values if value is not None}) == sorted(set(names))


def test_clusters_hold_the_same_number_of_tokens(ordered: Callable[..., Run]) -> None:
    run = ordered(by=["clusters"], k=4)
    found = check(run)
    lengths = TokenStore(run.artifact("tokens"), check=False).lengths()[found["ordinal"]]

    assert names_of(run) == ["cluster-00", "cluster-01", "cluster-02", "cluster-03"]
    assert np.bincount(found["family"], lengths).max() <= balanced_clusters.capacity(lengths, 4)


def test_the_router_says_the_family_of_a_document(ordered: Callable[..., Run]) -> None:
    run = ordered(by=["clusters"], k=6, balanced=False)
    found = check(run)
    router = read_router(run.artifact(ROUTER))

    assert router.centroids[""].dtype == np.float32
    routed = families.route(StoredVectors(run.artifact("vectors"), own=True).all()[found["ordinal"]], router)
    assert routed.tolist() == found["family"].tolist()


@pytest.mark.parametrize("by", [["section", "clusters"], ["clusters", "section"]], ids=["clusters-last", "first"])
def test_two_levels(ordered: Callable[..., Run], by: list[str]) -> None:
    run = ordered(by=by, k=2, balanced=False)
    found = check(run)
    codes, names = group_codes(run.root, "section")
    router = read_router(run.artifact(ROUTER))
    about = json.loads(router_files(run.artifact(ROUTER))["router.json"])

    section = np.array([*names, "unknown"])[codes[found["ordinal"]]]
    at = by.index("section")
    told = [family["values"][at] for family in about["families"]]
    assert [told[family] for family in found["family"]] == section.tolist()
    assert names_of(run) == [family["name"] for family in about["families"]]
    assert "0--cluster-01" in names_of(run) or "cluster-01--0" in names_of(run)
    for value in ("0", "3"):
        here = section == value
        routed = families.route(
            StoredVectors(run.artifact("vectors"), own=False).all()[found["ordinal"][here]], router, value
        )
        assert routed.tolist() == found["family"][here].tolist()


def test_families_change_the_order_alone_and_are_the_same_each_time(ordered: Callable[..., Run], finished: Run) -> None:
    one, other, none = ordered("one", by=["clusters"], k=3), ordered("two", by=["clusters"], k=3), ordered("none", k=3)

    assert one.manifest("neighbors") == finished.manifest("neighbors")
    assert one.manifest("order").parts == other.manifest("order").parts
    assert one.manifest(ROUTER).parts == other.manifest(ROUTER).parts
    assert one.manifest("order").fingerprint != none.manifest("order").fingerprint
    assert names_of(none) == [""]
    assert not check(none)["family"].any()


@pytest.mark.parametrize(
    ("by", "message"),
    [(["nowhere"], "no record has a text field nowhere"), (["source", "source"], "source twice")],
    ids=["no-such-field", "twice"],
)
def test_families_that_cannot_be_are_refused(ordered: Callable[..., Run], by: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"families.by: .*{message}"):
        ordered(by=by)


def test_a_damaged_router_is_noticed(ordered: Callable[..., Run]) -> None:
    run = ordered(by=["clusters"], k=2)
    Path(run.artifact(ROUTER).path("centroids-00000.npy")).write_bytes(b"\x93NUMPY")

    assert [line for line in order.verify(run) if "router" in line]


@given(st.lists(st.text(max_size=40) | st.sampled_from(["a b", "A-B", "a-b", "", "..", "/", "\ud800"]), unique=True))
def test_any_names_become_different_file_names(names: list[str]) -> None:
    for longest in (30, 62):
        safe = families.safe_names(names, longest)
        assert len(set(safe)) == len(names)
        for name in safe:
            assert 0 < len(name) <= longest
            assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
            assert name[0] not in ".-"


def test_plain_names_stay_and_others_are_told_apart() -> None:
    assert families.safe_names(["en.wiki", "web_text"], 30) == ["en.wiki", "web_text"]
    assert families.safe_names(["../../etc/passwd"], 30) == ["etc-passwd"]
    one, other = families.safe_names(["A b", "a-b"], 30)
    assert one != other
    assert one.startswith("a-b-")


@given(st.lists(st.dictionaries(st.sampled_from(["title", "license", 'a"b', "titled"]), VALUES), max_size=5))
def test_fields_of_metadata_are_those_that_are_read_one_by_one(records: list[dict[str, Any]]) -> None:
    names = ["title", "license", 'a"b']
    for escaped in (True, False):
        metadata = [json.dumps(record, ensure_ascii=escaped) for record in records]
        found = string_fields(pa.array(metadata, pa.string()), names)
        assert [column.type for column in found] == [pa.string()] * 3
        assert [column.to_pylist() for column in found] == [
            [value if isinstance(value := record.get(name), str) else None for record in records] for name in names
        ]
        assert [[string_field(one, name) for one in metadata] for name in names] == [
            column.to_pylist() for column in found
        ]


def test_metadata_may_be_nested_as_deep_as_python_reads_it() -> None:
    deep = json.dumps({"a": json.loads("[" * 900 + "]" * 900), "title": "of the record"})
    assert string_fields(pa.array([deep]), ["title"])[0].to_pylist() == ["of the record"]
