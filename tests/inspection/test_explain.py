"""What is told of a document, and of two, is what the artifacts hold; whatever a run has come to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sequitur.inspection import history
from sequitur.inspection.explain import trace, why
from sequitur.inspection.history import Loss
from sequitur.pipeline import artifacts
from sequitur.pipeline.config import Config
from sequitur.pipeline.errors import CorruptPart, DocumentUnknown, MissingArtifact
from sequitur.pipeline.stage import Run
from sequitur.pipeline.storage import Directory
from sequitur.shards.views.show import context_view
from sequitur.stages.shared.columns.lookup import Place, standing

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def known(finished: Run, rows: Rows) -> list[dict[str, Any]]:
    """Of every document, in order: its record, its verdict, and its text."""
    found = zip(rows(finished), rows(finished, "selection"), strict=True)
    return [document | verdict for document, verdict in found]


def at(document: dict[str, Any]) -> str:
    return f"corpus.jsonl:{document['source_row']}"


def test_every_kind_of_name_is_found(finished: Run, known: list[dict[str, Any]]) -> None:
    document = next(one for one in known if one["kept"])
    of = trace(finished, at(document))
    assert of["document"]["record_id"] == document["record_id"]
    digits = document["doc_id"].hex()
    for name in (
        document["record_id"],
        digits,
        digits[:13],
        digits.upper(),
        f"{document['source_file']}:{document['source_row']}",
    ):
        assert trace(finished, name) == of


def test_names_that_fit_none_or_several(finished: Run, corpus: Any) -> None:
    twice = corpus.repeated[0]
    with pytest.raises(
        DocumentUnknown, match=rf"{twice}: may be one of corpus\.jsonl:\d+ \(.*\); corpus\.jsonl:\d+ \("
    ):
        trace(finished, twice)
    for name in ("nothing", "abc", "0" * 33, "corpus.jsonl:99999", "other.jsonl:3", "corpus.jsonl:", ":3"):
        with pytest.raises(DocumentUnknown, match="no document or rejected record is called"):
            trace(finished, name)
    with pytest.raises(DocumentUnknown, match="are one document; give two"):
        why(finished, "doc-001", "doc-001")
    with pytest.raises(DocumentUnknown, match="could not be read; see `sequitur trace"):
        why(finished, "doc-001", "corpus.jsonl:30")


def test_rejected_records(finished: Run, corpus: Any) -> None:
    for line, reason in corpus.rejected.items():
        found = trace(finished, f"corpus.jsonl:{line}")
        assert (found["outcome"], found["reject"]["reason"], found["reject"]["source_row"]) == (
            "rejected",
            reason,
            line,
        )
        assert found["reject"]["detail"]
        json.dumps(found)


def test_outcomes_are_those_of_the_run(finished: Run, known: list[dict[str, Any]], rows: Rows) -> None:
    near = {row["ordinal"]: row for row in rows(finished, "neighbors/duplicates")}
    by_id = {one["doc_id"]: one for one in reversed(known)}
    by_ordinal = {one["ordinal"]: one for one in known if one["kept"]}
    seen = set()
    for document in known[::6]:
        found = trace(finished, at(document))
        json.dumps(found)
        losses = found["losses"]
        assert found["signals"]["word_count"] == len(document["text"].split())
        if not document["kept"]:
            assert (losses[0]["stage"], losses[0]["reason"]) == ("select", document["reason"])
            stayed = None if document["duplicate_of"] is None else by_id[document["duplicate_of"]]
        elif document["ordinal"] in near:
            lost = near[document["ordinal"]]
            assert (losses[0]["reason"], losses[0]["cosine"]) == ("semantic_duplicate", lost["cosine"])
            stayed = by_ordinal[lost["duplicate_of"]]
        else:
            assert (losses, found["outcome"]) == ([], "placed")
            continue
        assert found["outcome"] == "dropped"
        assert (losses[0]["to"] or {}).get("source_row") == (stayed and stayed["source_row"])
        seen.add(losses[0]["reason"])
    assert {"exact_duplicate", "semantic_duplicate"} <= seen


def test_the_rule_that_failed_tells_value_and_threshold(finished: Run, corpus: Any) -> None:
    found = trace(finished, sorted(corpus.short)[0])
    (failed,) = [rule for rule in found["rules"] if rule["rule"] == found["losses"][0]["reason"]]
    assert failed["rule"] == "gopher_too_few_words"
    assert (failed["signal"], failed["value"], failed["minimum"], failed["passed"]) == ("word_count", 7, 50, False)
    assert found["losses"][0]["to"] is None
    assert found["ordinal"] is None
    assert found["contexts"] is None


def test_a_second_record_of_an_id_is_lost_to_the_first(finished: Run, known: list[dict[str, Any]]) -> None:
    second = next(one for one in known if one["reason"] == "repeated_id")
    first = next(one for one in known if one["doc_id"] == second["doc_id"])
    found = trace(finished, at(second))
    assert found["losses"][0]["to"]["source_row"] == first["source_row"] != second["source_row"]


def test_order_neighbours_and_contexts(finished: Run, known: list[dict[str, Any]], rows: Rows) -> None:
    order = rows(finished, "order")
    lists = {row["ordinal"]: row for row in rows(finished, "neighbors")}
    names = {one["ordinal"]: one["record_id"] for one in known if one["kept"]}
    for position in (0, 7, len(order) - 1):
        row = order[position]
        found = trace(finished, names[row["ordinal"]] if position else at(known_by(known, row["ordinal"])))
        path = [other for other in order if other["path"] == row["path"]]
        expected = {
            "position": position,
            "documents": len(order),
            "path": row["path"],
            "place_in_path": path.index(row),
            "documents_in_path": len(path),
            "cosine_to_previous": row["cosine_to_previous"],
        }
        assert {name: found["order"][name] for name in expected} == expected
        for side, beside in (("before", position - 1), ("after", position + 1)):
            there = 0 <= beside < len(order)
            assert (found["order"][side] or {}).get("record_id") == (names[order[beside]["ordinal"]] if there else None)
        listed = [names[one] for one in lists[row["ordinal"]]["neighbor"] if one >= 0][:5]
        assert [one["record_id"] for one in found["neighbors"]] == listed
        assert sum(one["length"] for one in found["contexts"]) == found["tokens"]["tokens"]
        for one in found["contexts"]:
            view = context_view(Path(finished.config.output) / "shards", one["split"], one["row"])
            assert view.pieces[one["piece"]].doc_id == found["document"]["doc_id"]


def known_by(known: list[dict[str, Any]], ordinal: int) -> dict[str, Any]:
    return next(one for one in known if one["ordinal"] == ordinal)


def test_two_are_compared_as_the_artifacts_have_it(finished: Run, known: list[dict[str, Any]], rows: Rows) -> None:
    vectors = {row["ordinal"]: np.array(row["vector"], np.float32) for row in rows(finished, "vectors")}
    lists = {row["ordinal"]: row["neighbor"] for row in rows(finished, "neighbors")}
    order = rows(finished, "order")
    for one, other in ((order[3], order[4]), (order[3], order[-1])):
        a, b = one["ordinal"], other["ordinal"]
        found = why(finished, at(known_by(known, a)), at(known_by(known, b)))
        json.dumps(found)
        assert found["cosine"]["model"] == pytest.approx(float(vectors[a] @ vectors[b]), abs=1e-3)
        for key, mine, its in (("b_for_a", a, b), ("a_for_b", b, a)):
            assert found["ranks"][key] == (lists[mine].index(its) + 1 if its in lists[mine] else None)
        same = one["path"] == other["path"]
        assert found["path"]["same"] == same
        assert found["path"]["apart"] == (order.index(other) - order.index(one) if same else None)
        rows_of = [{(c["split"], c["row"]) for c in found[side]["contexts"]} for side in ("a", "b")]
        assert {(c["split"], c["row"]) for c in found["contexts"]["shared"]} == rows_of[0] & rows_of[1]
        turned = why(finished, at(known_by(known, b)), at(known_by(known, a)))
        assert (turned["a"], turned["b"]) == (found["b"], found["a"])
        assert turned["contexts"] == found["contexts"] or not rows_of[0] & rows_of[1]


def test_evidence_of_duplication(finished: Run, corpus: Any) -> None:
    copy, original = next(pair for pair in corpus.exact.items() if not {*pair} & {*corpus.repeated})
    found = why(finished, copy, original)
    assert found["duplicates"]["equal"]
    assert found["duplicates"]["jaccard"] == 1
    assert found["duplicates"]["same_group"]
    near, original = next(pair for pair in corpus.near.items() if not {*pair} & {*corpus.repeated})
    found = why(finished, near, original)
    assert not found["duplicates"]["equal"]
    assert 0.8 <= found["duplicates"]["jaccard"] < 1
    assert found["duplicates"]["signature_jaccard"] == pytest.approx(found["duplicates"]["jaccard"], abs=0.15)
    assert found["duplicates"]["same_group"]
    lost = [loss for side in ("a", "b") for loss in found[side]["losses"]]
    assert {loss["reason"] for loss in lost} == {"fuzzy_duplicate"}
    assert lost[0]["jaccard"] == pytest.approx(found["duplicates"]["jaccard"])
    assert lost[0]["least_jaccard"] == finished.config.select.jaccard


def test_unfinished_and_outdated_runs(finished: Run, branch: Any, execute: Any, tmp_path: Path) -> None:
    begun = execute(tmp_path / "begun", "ingest")
    found = trace(begun, "doc-001")
    assert (found["outcome"], found["finished"]) == ("unfinished", ["documents"])
    assert found["signals"] is None
    assert why(begun, "doc-001", "doc-002")["contexts"] is None
    with pytest.raises(MissingArtifact, match="not finished; run the stage"):
        trace(Run(finished.config.model_copy(update={"output": str(tmp_path / "none")})), "doc-001")
    stricter = branch("stricter", "select", select={"thresholds": {"gopher_too_few_words": 100}})
    assert list(standing(stricter.root, stricter.text)) == ["documents", "signals", "selection"]
    found = trace(stricter, "doc-001")
    assert (found["order"], found["contexts"]) == (None, None)
    assert next(rule for rule in found["rules"] if rule["rule"] == "gopher_too_few_words")["minimum"] == 100


def test_damage_is_named(finished: Run, branch: Any) -> None:
    run = branch("damaged")
    name = run.manifest("documents").parts[0].path
    path = Path(run.artifact("documents").path(name))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptPart, match=name):
        trace(run, "doc-001")
    manifest = Path(run.artifact("shards").path("manifest.json"))
    path.write_bytes(Path(finished.artifact("documents").path(name)).read_bytes())
    manifest.write_text("{")
    placed = next(row for row in artifacts.read_columns(run.artifact("order"), ["ordinal"])["ordinal"].to_pylist())
    ids = artifacts.read_columns(run.artifact("selection"), ["ordinal"])["ordinal"].to_pylist()
    rows = artifacts.read_columns(run.artifact("documents"), ["source_row"])["source_row"].to_pylist()
    with pytest.raises(CorruptPart, match=r"manifest\.json is not JSON"):
        trace(run, f"corpus.jsonl:{rows[ids.index(placed)]}")


def test_a_chain_of_losses_ends(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where documents that were damaged are said to be lost to each other."""
    places = [Place(0, row) for row in range(3)]

    def in_a_circle(root: Directory, config: Config, standing: Any, place: Place) -> Loss:
        return Loss("select", "fuzzy_duplicate", {}, places[(place.row + 1) % 3])

    monkeypatch.setattr(history, "loss", in_a_circle)
    root, config = finished.root, finished.config
    chain = history.chain(root, config, standing(root, finished.text), places[0])

    assert [to for _, to, _ in chain] == [*places[1:], places[0]]


def test_refined_contaminated_and_elsewhere(
    finished: Run, execute: Any, known: list[dict[str, Any]], tmp_path: Path
) -> None:
    kept = next(one for one in known if one["kept"])
    fresh = " ".join(f"words{number} have the" for number in range(80))
    records = [
        {
            "id": "new",
            "title": "A \x1btitle",
            "url": "https://example.org/1",
            "license": "MIT",
            "text": f"{fresh} a@b.org",
        },
        {"id": "leak", "text": f"{' '.join(reversed(fresh.split()))} and the quick brown fox jumps over the lazy dog"},
        {"id": "again", "text": kept["text"]},
    ]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (tmp_path / "evaluation.txt").write_text("The quick brown fox jumps over the lazy dog.")
    run = execute(
        tmp_path / "run",
        "select",
        ingest={"inputs": [str(tmp_path / "in.jsonl")]},
        refine={"redact": ["email"]},
        select={
            "against": finished.config.output,
            "decontaminate": [str(tmp_path / "evaluation.txt")],
            "decontaminate_words": 7,
        },
    )
    new, leak, again = (trace(run, name) for name in ("https://example.org/1", "leak", "again"))
    assert (new["document"]["title"], new["document"]["license"]) == ("A \x1btitle", "MIT")
    assert [change["operation"] for change in new["changes"]] == ["redact_email"]
    assert (new["outcome"], new["losses"], new["ordinal"]) == ("unfinished", [], 0)
    assert leak["losses"][0]["reason"] == "contaminated"
    assert leak["contamination"]["ngram"] == "the quick brown fox jumps over the"
    assert leak["contamination"]["evaluation_file"] == str(tmp_path / "evaluation.txt")
    assert again["losses"][0]["reason"] == "exact_duplicate_elsewhere"
    assert again["losses"][0]["to"]["record_id"] == kept["record_id"]
    assert again["losses"][0]["to"]["run"] == finished.config.output


def test_families_and_subset(branch: Any, rows: Rows) -> None:
    run = branch("families", families={"by": ["source"]}, select={"subset": {"by": "coverage", "share": 0.5}})
    directories = set()
    documents, verdicts = rows(run), rows(run, "selection")
    of = {
        verdict["ordinal"]: document for document, verdict in zip(documents, verdicts, strict=True) if verdict["kept"]
    }
    for row in rows(run, "order")[::20]:
        found = trace(run, at(of[row["ordinal"]]))
        assert found["outcome"] == "placed"
        assert (
            {one["directory"] for one in found["contexts"]}
            == {found["order"]["family"]}
            == {found["document"]["source"]}
        )
        directories.add(found["order"]["family"])
    assert directories == {"web", "books"}
    left = rows(run, "neighbors/unselected")[0]
    found = trace(run, at(of[left["ordinal"]]))
    assert found["losses"] == [
        {"stage": "neighbors", "reason": "subset", "by": "coverage", "share": 0.5, "score": left["score"], "to": None}
    ]


def test_as_commands(sequitur: Callable[..., Any], finished: Run, corpus: Any) -> None:
    run = finished.config.output
    copy = next(name for name in corpus.exact if name not in corpus.repeated)
    for name in ("doc-001", copy, sorted(corpus.short)[0], "corpus.jsonl:30"):
        shown = sequitur("trace", run, name).out.splitlines()
        assert max(map(len, shown)) <= 80
        told = json.loads(sequitur("trace", run, name, "--json").out)
        assert any(line.startswith(told["outcome"]) for line in shown)
    shown = sequitur("why", run, copy, corpus.exact[copy]).out
    told = json.loads(sequitur("why", run, copy, corpus.exact[copy], "--json").out)
    assert " ".join(told["answer"]) in " ".join(shown.split())
    ended = sequitur("trace", run, "nothing")
    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert "no document or rejected record is called nothing" in ended.err
