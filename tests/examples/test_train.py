"""The trainer trains, goes on exactly where it was, and keeps documents apart where it is asked to."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest
import torch
from example_dataset import SEQ_LEN, Dataset, write_dataset
from torch.nn.attention.flex_attention import BlockMask

from examples.train import (
    CHECKPOINT,
    GPT,
    OtherRun,
    Rank,
    Settings,
    document_mask,
    evaluate,
    new_model,
    open_loader,
    options,
    summed_loss,
    train,
)  # fmt: skip
from sequitur.shards.sampler import StateMismatch

ROOT = Path(__file__).parents[2]
HERE = Rank(0, 1, torch.device("cpu"))
STEPS = 9


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small take longest where threads wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("trained") / "dataset")


@pytest.fixture
def settings(dataset: Dataset, tmp_path: Path) -> Settings:
    return Settings(
        data=str(dataset.root), out=str(tmp_path / "gpt"), layers=2, heads=2, width=32, dropout=0.1, steps=STEPS,
        batch=8, micro_batch=4, learning_rate=1e-2, warmup=2, checkpoint_every=2, device="cpu",
    )  # fmt: skip


def losses(settings: Settings, steps: int | None = None) -> list[float]:
    """Of the updates until so many were made by this run, or all."""
    return [step.loss for step in islice(train(settings, HERE, new_model(settings, HERE)), steps)]


@pytest.mark.parametrize("attention", ["full", "document"])
def test_an_interrupted_run_gives_the_same_losses(settings: Settings, attention: str, tmp_path: Path) -> None:
    settings = replace(settings, attention=attention, evaluate_every=4)
    whole = list(train(settings, HERE, new_model(settings, HERE)))
    assert [step.number for step in whole] == list(range(1, STEPS + 1))
    assert whole[-1].loss < whole[0].loss - 0.5
    assert [step.number for step in whole if step.validation is not None] == [4, 8, 9]

    other = replace(settings, out=str(tmp_path / "other"))
    first = list(islice(train(other, HERE, new_model(other, HERE)), 5))  # of which the fifth is in no checkpoint
    last = list(train(other, HERE, new_model(other, HERE)))
    assert [*first[:4], *last] == whole
    assert list(train(other, HERE, new_model(other, HERE))) == []
    a, b = (torch.load(Path(one.out, CHECKPOINT), weights_only=True) for one in (settings, other))
    assert a["data"] == b["data"]
    assert all(torch.equal(a["model"][name], weight) for name, weight in b["model"].items())


def test_dropout_and_seed_matter(settings: Settings, tmp_path: Path) -> None:
    others = [replace(settings, out=str(tmp_path / "without"), dropout=0.0), replace(settings, out="", seed=2)]
    assert len({losses(one, steps=1)[0] for one in (settings, *others)}) == 3


def test_the_loss_is_that_of_all_targets_however_they_are_shared_out(settings: Settings, tmp_path: Path) -> None:
    settings = replace(settings, dropout=0.0)
    expected = losses(settings)
    for micro_batch in (1, 8):
        other = replace(settings, out=str(tmp_path / str(micro_batch)), micro_batch=micro_batch)
        assert losses(other) == pytest.approx(expected, rel=1e-5)


def test_another_number_of_processes_gives_the_same_losses(settings: Settings, tmp_path: Path) -> None:
    """To the last digit, dropout included: two processes make five updates, and one goes on after the fourth."""
    settings = replace(settings, attention="document", micro_batch=2)
    whole = losses(settings)
    named = vars(replace(settings, out=str(tmp_path / "two")))
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in named.items() if not isinstance(value, bool)]
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "tests/helpers/train_some.py", "5"]
    ended = subprocess.run(
        [sys.executable, *command, *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert [float(loss) for loss in ended.stdout.split()] == whole[:5]
    assert losses(replace(settings, out=str(tmp_path / "two"))) == whole[4:]


def test_a_run_keeps_its_threads_unless_told_otherwise(settings: Settings) -> None:
    torch.set_num_threads(2)
    losses(settings, steps=2)
    for threads, found in ((0, 2), (1, 1)):
        torch.set_num_threads(1)
        losses(replace(settings, threads=threads), steps=1)
        assert torch.get_num_threads() == found


def test_a_checkpoint_of_other_settings_or_data_is_refused(settings: Settings, tmp_path: Path) -> None:
    losses(settings, steps=2)
    with pytest.raises(OtherRun, match=r"checkpoint\.pt: is of a run with steps 9, not 10; choose another --out"):
        losses(replace(settings, steps=10))
    other = write_dataset(tmp_path / "dataset", train_docs=36)
    with pytest.raises(StateMismatch, match="fingerprint"):
        losses(replace(settings, data=str(other.root)))


def test_document_attention_gives_what_separate_documents_give(settings: Settings) -> None:
    settings = replace(settings, attention="document", batch=4, dropout=0.0)
    model = new_model(settings, HERE)
    for block in model.blocks:  # so that what is seen matters
        torch.nn.init.normal_(block.mixed.weight)
    batch = next(iter(open_loader(settings, HERE)))
    mask = document_mask(batch["position_ids"], blocks=False)
    together = model(batch["input_ids"], batch["position_ids"], mask)
    edges = batch["cu_seqlens"].tolist()
    assert len(edges) > 6
    total = torch.zeros(())
    for first, end in pairwise(edges):
        ids, labels = (batch[name].flatten()[first:end][None] for name in ("input_ids", "labels"))
        alone = model(ids)
        torch.testing.assert_close(together.flatten(0, 1)[first:end], alone[0], rtol=1e-4, atol=1e-5)
        total += summed_loss(model, {"input_ids": ids, "labels": labels}, HERE.device)
    torch.testing.assert_close(summed_loss(model, batch, HERE.device), total)
    full = model(batch["input_ids"])
    assert not torch.allclose(full, together, atol=1e-2)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_masks_of_blocks_say_the_same(settings: Settings) -> None:
    """What a GPU computes, by the slow form of flex_attention."""
    settings = replace(settings, attention="document", dropout=0.0)
    model = new_model(settings, HERE)
    batch = next(iter(open_loader(settings, HERE)))
    blocks = document_mask(batch["position_ids"], blocks=True)
    assert isinstance(blocks, BlockMask)
    with torch.no_grad():
        by_blocks = model(batch["input_ids"], batch["position_ids"], blocks)
        by_mask = model(batch["input_ids"], batch["position_ids"], document_mask(batch["position_ids"], blocks=False))
    torch.testing.assert_close(by_blocks, by_mask, rtol=1e-4, atol=1e-5)


def test_validation_counts_each_context_once(settings: Settings, dataset: Dataset) -> None:
    model = new_model(settings, HERE).eval()
    loader = open_loader(settings, HERE, "val")
    assert len(loader.dataset) % settings.batch  # the last batch is padded
    every = loader.dataset.__getitems__(range(len(loader.dataset))).columns
    plainly = summed_loss(model, every, HERE.device).item() / int((every["labels"] != -100).sum())
    assert evaluate(model, loader, HERE, bfloat16=False) == pytest.approx(plainly, rel=1e-5)
    assert evaluate(model, loader, HERE, bfloat16=False) == pytest.approx(plainly, rel=1e-5)  # again from the first


def test_a_token_is_predicted_from_what_stands_before_it(settings: Settings) -> None:
    model = GPT(257, settings).eval()
    ids = torch.randint(257, (1, SEQ_LEN))
    changed = ids.clone()
    changed[0, 9] = (changed[0, 9] + 1) % 257
    differs = (model(ids) != model(changed)).any(dim=-1)[0]
    assert differs.tolist() == [False] * 9 + [True] * (SEQ_LEN - 9)


def test_every_setting_is_an_option() -> None:
    asked = options(["--data", "here", "--attention", "document", "--batch", "4", "--no-compile", "--bfloat16"])
    assert asked == Settings(data="here", attention="document", batch=4, compile=False, bfloat16=True)
