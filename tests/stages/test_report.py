"""The report accounts for every record, and measures that the order is better than a random one."""

from typing import Any

import pytest

from pipeline.errors import LedgerImbalance
from pipeline.ledger import Ledger
from pipeline.stage import Run
from stages import report


def metrics(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = run.artifact("report").read_json("metrics.json")
    return content


def test_the_ledger_counts_what_was_planted(finished: Run, corpus: Any) -> None:
    ledger = metrics(finished)["ledger"]
    assert ledger["balances"]
    assert ledger["records"] == {
        "read": len(corpus.lines),
        "rejected": len(corpus.rejected),
        "dropped": {
            "exact_duplicate": len(corpus.exact),
            "fuzzy_duplicate": len(corpus.near),
            "gopher_too_few_words": len(corpus.short),
            "repeated_id": len(corpus.repeated),
            "semantic_duplicate": len(corpus.shuffled),
        },
        "placed": len(corpus.topic),
    }
    for name in ("read", "rejected", "placed"):
        assert sum(source[name] for source in ledger["sources"].values()) == ledger["records"][name]
    assert ledger["tokens"]["of_placed_documents"] == ledger["tokens"]["in_shards"]
    assert list(report.verify(finished)) == []


def test_orders_are_as_good_as_they_should_be(branch: Any) -> None:
    reports = {name: metrics(branch(name, order={"strategy": name})) for name in ("path", "iclm", "random")}
    adjacency = {name: content["order"][name]["adjacency"] for name, content in reports.items()}
    assert adjacency["path"] >= adjacency["iclm"] > adjacency["random"] + 0.1
    for name, content in reports.items():
        own, chance = content["order"][name], content["order"]["random_baseline"]
        assert own["path_weight_share"] <= 1
        assert own["near_duplicate_rate"] == own["repeats"] == 0
        assert 0 < own["padding"] < 1
        assert own["best_previous"] >= own["adjacency"]
        assert chance["adjacency"] == pytest.approx(adjacency["random"], abs=0.1)
        assert content["packing"]["tokens"] == content["ledger"]["tokens"]["in_shards"]
    path, chance = (reports["path"]["order"][name] for name in ("path", "random_baseline"))
    assert path["same_section_share"] > 2 * chance["same_section_share"]


def test_a_ledger_that_does_not_balance_fails_the_run(branch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = report.make_ledger

    def lossy(*arguments: Any) -> Ledger:
        ledger = honest(*arguments)
        ledger.placed["web"] -= 1
        return ledger

    monkeypatch.setattr(report, "make_ledger", lossy)
    with pytest.raises(LedgerImbalance, match=r"source web: .* records read"):
        branch("lossy", order={"strategy": "random"})


def test_verification_tells_another_ledger(branch: Any) -> None:
    run = branch("run")
    content = metrics(run)
    content["ledger"]["records"]["placed"] += 1
    run.artifact("report").write_json("metrics.json", content)
    assert [problem.split(": ")[1][:20] for problem in report.verify(run)] == ["tells another ledger"]
