"""The ledger balances, or says where it does not."""

import pytest

from sequitur.pipeline.errors import LedgerImbalance
from sequitur.stages.report.ledger import Characters, Ledger


@pytest.fixture
def ledger() -> Ledger:
    """Ten records of two sources, all accounted for."""
    made = Ledger(tokens_of_placed=100, tokens_in_shards=97, tokens_dropped=3)
    made.read.update(web=7, books=3)
    made.rejected.update(web=1)
    made.drop("web", "too_short", 2)
    made.drop("web", "exact_duplicate", 1)
    made.drop("books", "too_short", 1)
    made.drop("books", "too_long", 0)
    made.placed.update(web=3, books=2)
    return made


def test_balanced_ledger_passes(ledger: Ledger) -> None:
    ledger.check()

    written = ledger.to_json()
    assert written["balances"]
    assert written["records"] == {
        "read": 10,
        "rejected": 1,
        "dropped": {"exact_duplicate": 1, "too_short": 3},
        "placed": 5,
    }
    assert written["sources"]["books"] == {"read": 3, "rejected": 0, "dropped": {"too_short": 1}, "placed": 2}
    assert written["tokens"] == {
        "of_placed_documents": 100,
        "repeated": 0,
        "in_shards": 97,
        "dropped_by_packing": 3,
    }
    assert "characters" not in written


def test_empty_ledger_balances() -> None:
    Ledger().check()


def test_lost_record_is_found_in_its_source_though_the_total_fits(ledger: Ledger) -> None:
    ledger.placed.update(web=-1, books=1)

    with pytest.raises(LedgerImbalance) as imbalance:
        ledger.check()

    assert str(imbalance.value) == (
        "the ledger does not balance: "
        "source books: 3 records read, 4 accounted for (0 rejected, 1 dropped, 3 placed); "
        "source web: 7 records read, 6 accounted for (1 rejected, 3 dropped, 2 placed)"
    )
    assert not ledger.to_json()["balances"]


def test_source_that_was_never_read_is_found(ledger: Ledger) -> None:
    ledger.drop("ghost", "too_short", 1)

    assert ledger.problems() == ["source ghost: 0 records read, 1 accounted for (0 rejected, 1 dropped, 0 placed)"]


@pytest.mark.parametrize("field", ["tokens_of_placed", "tokens_in_shards", "tokens_dropped", "tokens_repeated"])
def test_one_lost_token_is_found(ledger: Ledger, field: str) -> None:
    setattr(ledger, field, getattr(ledger, field) + 1)

    with pytest.raises(LedgerImbalance, match="tokens of placed documents"):
        ledger.check()


def test_repeated_tokens_stand_in_the_shards_too(ledger: Ledger) -> None:
    ledger.tokens_repeated, ledger.tokens_in_shards = 40, 137
    ledger.check()
    assert ledger.to_json()["tokens"]["repeated"] == 40

    ledger.tokens_in_shards -= 1

    assert ledger.problems() == ["100 tokens of placed documents and 40 repeated, 136 in shards and 3 dropped"]


def test_removed_documents_are_a_class_of_their_own(ledger: Ledger) -> None:
    ledger.placed.update(web=-1)
    ledger.removed.update(web=1)
    ledger.tokens_of_placed, ledger.tokens_in_shards = 80, 77
    ledger.tokens_of_removed = ledger.tokens_removed = 20
    ledger.check()
    written = ledger.to_json()
    assert (written["records"]["placed"], written["records"]["removed"]) == (4, 1)
    assert (written["sources"]["web"]["removed"], written["sources"]["books"]["removed"]) == (1, 0)
    assert written["tokens"]["removed"] == 20

    ledger.tokens_removed += 1
    ledger.removed.update(books=1)

    assert ledger.problems() == [
        "source books: 3 records read, 4 accounted for (0 rejected, 1 dropped, 2 placed, 1 removed)",
        "20 tokens of removed documents, 21 in removal records",
    ]


def test_characters_that_refining_lost_are_found(ledger: Ledger) -> None:
    ledger.characters = Characters(read=50, refined=44)
    ledger.characters.removed.update(edit_1=8, redact_ip=7)
    ledger.characters.added.update(redact_ip=9)
    ledger.check()
    assert ledger.to_json()["characters"] == {
        "read": 50,
        "operations": {"edit_1": {"removed": 8, "added": 0}, "redact_ip": {"removed": 7, "added": 9}},
        "refined": 44,
    }

    ledger.characters.removed["edit_1"] -= 1

    assert ledger.problems() == ["50 characters read, 44 refined with 14 removed and 9 added"]
    assert not ledger.to_json()["balances"]
