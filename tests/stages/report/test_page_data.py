"""What the report's page is made of: all records are in its histograms, planted copies among its examples."""

from typing import Any

import pytest

from sequitur import beam_job
from sequitur.pipeline import artifacts, run_directory
from sequitur.pipeline.errors import LedgerImbalance
from sequitur.pipeline.stage import Run
from sequitur.stages.report import stage as report
from sequitur.stages.report.ledger import Ledger
from sequitur.stages.report.page.page import COMPARISON, INDEX, PAGE, render


@pytest.fixture(scope="module")
def page(finished: Run) -> dict[str, Any]:
    content: dict[str, Any] = finished.artifact("report").read_json(PAGE)
    return content


def test_the_page_is_written_and_made_of_what_is_stored(finished: Run, page: dict[str, Any]) -> None:
    assert finished.artifact("report").read_bytes(INDEX).decode() == render(page)
    assert page["report"] == finished.artifact("report").read_json("metrics.json")
    assert page["config"] == finished.config.to_yaml().replace(finished.config.output, "RUN")
    assert page["versions"]["pyarrow"][0].isdigit()


def test_every_document_is_in_every_histogram(finished: Run, page: dict[str, Any], corpus: Any) -> None:
    documents, kept = finished.manifest("documents").rows, finished.manifest("selection").statistics["kept"]
    by_signal = {one["signal"]: one for one in page["signals"]}
    for one in by_signal.values():
        assert sum(one["kept"] + one["failed"] + one["other"]) + one["missing"] == documents
        assert sum(one["kept"]) <= kept
        assert sum(rule["dropped"] for rule in one["rules"]) == sum(one["failed"])
    assert sum(by_signal["word_count"]["failed"]) == len(corpus.short)
    bounds = [(rule["min"], rule["max"]) for rule in by_signal["word_count"]["rules"]]
    assert bounds == [(50, None), (None, 100_000)]


def test_planted_copies_are_counted_and_shown_beside_their_originals(page: dict[str, Any], corpus: Any) -> None:
    clusters = page["duplicates"]["clusters"]
    planted = {
        "exact_duplicate": corpus.exact,
        "fuzzy_duplicate": corpus.near,
        "semantic_duplicate": corpus.shuffled,
    }
    for kind, copies in planted.items():
        assert clusters[kind]["documents"] == len(copies)
        assert clusters[kind]["clusters"] == sum(one["count"] for one in clusters[kind]["sizes"])
        assert clusters[kind]["largest"] <= len(copies) + 1
        shown = [one for one in page["duplicates"]["examples"] if one["kind"] == kind]
        assert 3 <= len(shown) <= 6
        for one in shown:
            ends = {one[side]["name"] for side in ("kept", "dropped")}
            original = next(copies[end] for end in ends if end in copies)
            assert ends <= {original, *(copy for copy, of in copies.items() if of == original)}
    near = next(one for one in page["duplicates"]["examples"] if one["kind"] == "fuzzy_duplicate")
    marked = {side: [text for same, text in near[side]["text"] if not same] for side in ("kept", "dropped")}
    assert ["otherwise"] in marked.values()
    assert clusters["repeated_id"]["documents"] == len(corpus.repeated)


def test_samples_have_titles_sources_and_places(page: dict[str, Any], corpus: Any) -> None:
    texts = list(corpus.texts.values())
    drawn = page["map"]
    assert drawn["how"] == "t-SNE"
    assert len(drawn["ordinals"]) == len(drawn["points"]) > 200
    assert all(0 <= place <= 1000 for point in drawn["points"] for place in point)
    for title, name, source in page["documents"].values():
        assert source in ("web", "books")
        assert corpus.texts[name].startswith(title.removesuffix("…"))
    assert len(page["contexts"]) == 7
    for context in page["contexts"]:
        assert context["tokens"] <= context["room"] == 1024
        first = context["pieces"][0]
        assert first["cosine"] is None
        assert any(first["text"].removesuffix(" …")[:200] in text for text in texts)
    coherence = [context["coherence"] for context in page["contexts"]]
    assert coherence == sorted(coherence)


def test_the_page_of_a_run_does_not_change(finished: Run, branch: Any) -> None:
    run = branch("again")
    run.root.remove("report")
    run_directory.execute(beam_job.RECIPE, run)

    again, before = (one.artifact("report").read_json(PAGE) for one in (run, finished))
    assert again == before


def test_compared_orders_come_into_the_page(finished: Run, branch: Any, sequitur: Any) -> None:
    run = branch("run")
    ended = sequitur("compare", run.config.output, "--orders", "random,structure", "--gain-contexts", "2")
    assert ended.code == 0, ended.err
    report = run.artifact("report")
    assert f"report     {report.path(INDEX)}" in ended.err
    assert "Orders compared" in report.read_bytes(INDEX).decode()
    assert "Orders compared" not in finished.artifact("report").read_bytes(INDEX).decode()
    assert list(report.read_json(COMPARISON)["orders"]) == ["iclm + stream", "random", "structure"]
    assert list(artifacts.damaged_parts(report, run.manifest("report"))) == []


def test_a_page_is_written_where_the_ledger_does_not_balance(branch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = branch("lossy")
    run.root.remove("report")
    honest = report.make_ledger

    def lossy(*arguments: Any) -> Ledger:
        ledger = honest(*arguments)
        ledger.placed["web"] -= 1
        return ledger

    monkeypatch.setattr(report, "make_ledger", lossy)
    with pytest.raises(LedgerImbalance, match=r"source web: .* records read"):
        run_directory.execute(beam_job.RECIPE, run)
    assert b"the ledger does not balance" in run.artifact("report").read_bytes(INDEX)
