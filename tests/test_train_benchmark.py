"""`python -m benchmarks.train`: what is kept out, what is asked, and the whole of it at its smallest."""

import json
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.nn.functional import cross_entropy

from benchmarks.train import Prepared, figures, parsed, updates_of
from benchmarks.train_held_out import Group, Question, answers, hold_out, measures, questions, summary
from examples.train import GPT, Settings
from sequitur.shards.manifest import read_manifest

END, LENGTH = 0, 400
SYLLABLES = ["ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ru"]
TINY = Settings(layers=1, heads=2, width=16)


def letters(text: str) -> list[int]:
    return [ord(one) for one in text]


def texts(topics: int, of_each: int) -> list[str]:
    """Documents of some topics, with a word of its own for each topic; 700 letters or more."""
    rng = random.Random(1)
    made = []
    for topic in range(topics):
        words = ["".join(rng.choices(SYLLABLES, k=3)) for _ in range(30)]
        for _ in range(of_each):
            some = [" ".join(rng.choices(words, k=9)) + f" and the {'x' * 4}{topic} of it." for _ in range(14)]
            made.append("\n".join(sentence.capitalize() for sentence in some))
    return made


@pytest.fixture(scope="module")
def groups() -> list[Group]:
    made = texts(5, 3)
    return [Group(made[i], made[i + 1 : i + 3]) for i in range(0, 15, 3)]


@pytest.fixture(scope="module")
def asked(groups: list[Group]) -> dict[str, list[Question]]:
    return questions(groups, letters, END, LENGTH, seed=0)


def read(ids: list[int]) -> str:
    return "".join(map(chr, ids))


def test_groups_have_no_document_in_common() -> None:
    rng = np.random.default_rng(0)
    ordinals = np.arange(40) * 2
    neighbor = np.stack([rng.permutation(ordinals[ordinals != one])[:6] for one in ordinals])
    documents = pa.table({"ordinal": ordinals, "text": [f"{one} " * 300 for one in ordinals.tolist()]})
    neighbors = pa.table({"ordinal": ordinals, "neighbor": pa.array(neighbor.tolist(), pa.list_(pa.int64(), 6))})
    found, taken = hold_out(documents, neighbors, groups=5, k=2, seed=0)
    named = [[int(text.split()[0]) for text in (group.text, *group.related)] for group in found]
    assert sorted(one for group in named for one in group) == sorted(taken)
    assert len(taken) == 15
    seen: set[int] = set()
    for first, *others in named:
        nearest = [one for one in neighbor[first // 2].tolist() if one not in seen]
        assert others == nearest[:2]
        seen |= {first, *others}
    with pytest.raises(SystemExit, match="groups to keep out, not 30"):
        hold_out(documents, neighbors, groups=30, k=2, seed=0)


def test_related_and_unrelated_stand_in_the_same_places(groups: list[Group], asked: dict) -> None:
    for number, (related, unrelated, alone) in enumerate(
        zip(asked["related"], asked["unrelated"], asked["alone"], strict=True)
    ):
        assert related.first == unrelated.first
        assert len(related.ids) == len(unrelated.ids) == LENGTH + 1
        judged = alone.ids[alone.first :]
        assert related.ids[related.first :] == unrelated.ids[unrelated.first :] == judged
        assert read(alone.ids) == groups[number].text[: LENGTH // 2]
        before = read(related.ids[: related.first - 1]).rstrip("\0")
        assert groups[number].related[0].endswith(before)
        assert groups[(number + 1) % 5].related[0].endswith(read(unrelated.ids[: related.first - 1]).rstrip("\0"))


def test_rows_hold_all_documents_end_to_end(groups: list[Group], asked: dict) -> None:
    stream = [one for group in groups for text in (*reversed(group.related), group.text) for one in [*letters(text), 0]]
    assert [question.ids for question in asked["rows"]] == [
        stream[first : first + LENGTH + 1] for first in range(0, len(stream) - LENGTH, LENGTH)
    ]
    assert len(asked["shuffled"]) == len(asked["rows"])
    assert asked["shuffled"] != asked["rows"]


def test_a_word_to_copy_stands_before_where_it_can_be_copied_alone(asked: dict) -> None:
    assert len(asked["copied"]) == len(asked["guessed"]) == 5
    for copied, guessed in zip(asked["copied"], asked["guessed"], strict=True):
        answer = read(copied.ids[copied.first :])
        assert answer == read(guessed.ids[guessed.first :])
        assert copied.first == guessed.first
        assert answer.strip() in read(copied.ids[: copied.first]).split("\0")[0]
        assert answer.strip() not in read(guessed.ids[: guessed.first])


def test_answers_are_those_of_each_question_by_itself(asked: dict) -> None:
    torch.manual_seed(0)
    model = GPT(128, TINY)
    some = [*asked["alone"], *asked["copied"]]
    for question, answer in zip(some, answers(model, some, rows=3), strict=True):
        ids = torch.tensor(question.ids)
        logits = model(ids[None, :-1])[0].detach()
        plainly = cross_entropy(logits, ids[1:], reduction="none")[question.first - 1 :]
        np.testing.assert_allclose(answer.losses, plainly.numpy(), rtol=1e-3)
        np.testing.assert_array_equal(answer.likeliest, (logits.argmax(-1) == ids[1:])[question.first - 1 :])
        assert len(answer.losses) == len(question.ids) - question.first


def test_measures_are_by_question_and_position(asked: dict) -> None:
    found = measures(GPT(128, TINY), asked, bins=4)
    assert found["loss_rows_by_position"].shape == (len(asked["rows"]), 4)
    np.testing.assert_allclose(found["loss_rows_by_position"].mean(axis=1), found["loss_rows"], rtol=1e-5)
    np.testing.assert_allclose(found["context_gain"], found["loss_unrelated"] - found["loss_related"])
    assert set(found["copied_right"]) <= {0.0, 1.0}


def test_errors_over_seeds_and_over_documents() -> None:
    told = summary(np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]))
    assert told == {"mean": 3.0, "error_seeds": 1.0, "error_documents": round(1 / 3**0.5, 5)}
    assert summary(np.array([[1.0, 3.0]])) == {"mean": 2.0, "error_seeds": None, "error_documents": 1.0}


def test_two_packings_are_read_for_as_many_tokens_as_one_twice(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(12, 8)))
    small = "--seeds 1 --groups 5 --related 2 --context-length 256 --vocabulary 300 --layers 1 --heads 2 --width 16"
    arms = ["contexts_filled", "contexts_filled_epochs"]
    told = figures(
        parsed(f"--corpus {corpus} {small} --epochs 2 --batch 4 --workers 1 --arms {','.join(arms)}".split()), tmp_path
    )
    one, two = (told["arms"][name] for name in arms)
    assert 1.5 < one["passes"] <= 2
    assert one["targets"] == pytest.approx(two["targets"], rel=0.02)
    epochs = read_manifest(tmp_path / "shards/contexts_filled_epochs").order.epochs
    assert [epoch.rows for epoch in epochs] == [two["rows"], epochs[1].rows]
    assert list(told["against"]) == ["contexts_filled"]


def test_updates_are_as_many_as_the_minutes_carry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, asked: dict[str, list[Question]]
) -> None:
    monkeypatch.setattr("benchmarks.train.seconds_of_update", lambda *_: 2.0)
    monkeypatch.setattr("benchmarks.train.seconds_of_answers", lambda *_: 3.0)
    prepared = Prepared({"one": tmp_path, "other": tmp_path, "third": tmp_path}, {"rows": asked["rows"][:32]}, 0)
    with ThreadPoolExecutor(2) as pool:
        options = parsed(["--minutes", "10", "--seeds", "2"])
        updates = updates_of(pool, options, prepared, tmp_path, time.monotonic() - 60)
    assert updates == (540 / 2 - 3 * 3 / 2) // (3 * 2.0 / 2)


def test_the_whole_of_it(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(12, 8)))
    small = "--seeds 2 --groups 5 --related 2 --context-length 128 --vocabulary 300 --layers 1 --heads 2 --width 16"
    arms = "random_stream,iclm_stream,contexts_documents"
    told = figures(
        parsed(f"--corpus {corpus} {small} --tokens 4096 --batch 8 --workers 1 --arms {arms}".split()), tmp_path
    )
    assert json.loads(json.dumps(told)) == told
    assert (told["updates"], told["groups"]) == (4, 5)
    assert 70 < told["documents"] <= 96 - 15
    assert list(told["arms"]) == arms.split(",")
    for name, arm in told["arms"].items():
        assert arm["targets"] <= 4096
        assert read_manifest(tmp_path / "shards" / name).split("train").docs == told["documents"]
        one = arm["measures"]["loss_alone"]
        assert one["mean"] > 0
        assert one["error_seeds"] > 0
        if name != "random_stream":
            difference = told["against"]["random_stream"][name]["loss_alone"]["mean"]
            assert difference == pytest.approx(
                one["mean"] - told["arms"]["random_stream"]["measures"]["loss_alone"]["mean"], abs=2e-5
            )
    short = 4096 - told["arms"]["iclm_stream"]["targets"]
    assert 0 <= short < 128  # of one row, the last
