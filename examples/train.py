"""Pretrains a small GPT from scratch on shards: one file, to be read and changed. Needs torch, numpy and pyarrow.

    python examples/train.py --data demo/run/shards --out runs/gpt
    torchrun --nproc-per-node 8 examples/train.py --data demo/run/shards --out runs/gpt --bfloat16 --compile

The same command resumes: on a CPU with the same losses, to the last digit, as if it had not been interrupted, also with
other numbers of processes and `--workers`; with another `--micro-batch` they are the same up to rounding and dropout.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from itertools import chain, count, repeat
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import cross_entropy, gelu, linear, rms_norm, scaled_dot_product_attention

from sequitur.shards import ContextDataLoader, ContextDataset, ElasticBatchSampler, ShardError
from sequitur.shards.sampler import StateMismatch

CHECKPOINT = "checkpoint.pt"
FREE = ("data", "out", "micro_batch", "workers", "threads", "checkpoint_every", "evaluate_every", "device", "compile")
UNIT = 2.0**-40  # of the whole numbers that gradients are added up as
Batch = dict[str, Any]  # what ContextCollator makes
Mask = Tensor | BlockMask | None


class OtherRun(Exception):
    """The checkpoint is of a run with other settings."""


def setting(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True)
class Settings:
    """All options of a run, in the order of `--help`."""

    data: str = setting("demo/run/shards", "directory or URL of the shards")
    out: str = setting("runs/gpt", "directory of the checkpoint, from which the same command goes on")
    attention: str = setting("full", "full: all before it; document: of its own", choices=["full", "document"])
    layers: int = setting(6, "blocks of attention and feed-forward")
    heads: int = setting(6, "heads of attention")
    width: int = setting(384, "width of the model, a multiple of twice the heads")
    dropout: float = setting(0.0, "share of activations set to zero")
    steps: int = setting(1000, "updates of the weights")
    batch: int = setting(32, "contexts of an update, over all processes")
    micro_batch: int = setting(8, "contexts that a process takes at once")
    learning_rate: float = setting(1e-3, "at its highest; falls to a tenth by a cosine")
    warmup: int = setting(50, "updates in which the learning rate rises from 0")
    weight_decay: float = setting(0.1, "of the weights, relative to the learning rate")
    clip: float = setting(1.0, "largest norm of the gradient")
    seed: int = setting(1, "of the first weights, the order of contexts and dropout")
    workers: int = setting(0, "processes that read ahead, for each rank")
    threads: int = setting(0, "of each process on a CPU; 0: those that the run began with, on which rounding depends")
    checkpoint_every: int = setting(100, "updates between checkpoints; there is one at the end")
    evaluate_every: int = setting(0, "updates between losses on the split val; 0 does without")
    device: str = setting("cuda" if torch.cuda.is_available() else "cpu", "cpu or cuda")
    bfloat16: bool = setting(False, "compute in bfloat16, with weights in float32")
    compile: bool = setting(False, "compile the model")


class Rank(NamedTuple):
    """Which of the processes this is, and where it computes."""

    rank: int
    ranks: int
    device: torch.device

    def total(self, value: Tensor) -> Tensor:
        """The sum over all processes, of whole numbers, so that it does not depend on their order."""
        if self.ranks > 1:
            dist.all_reduce(value)
        return value

    def sum_of_all(self, losses: Sequence[Tensor]) -> float:
        """The sum over all processes, rounded once, so that it does not depend on their order either."""
        every = [torch.stack(losses).tolist()] * self.ranks
        if self.ranks > 1:
            dist.all_gather_object(every, every[0])
        return math.fsum(chain.from_iterable(every))


class Step(NamedTuple):
    """An update of the weights."""

    number: int  # from 1
    loss: float  # mean over the targets of all processes, before the update; nats
    targets: int  # of all processes
    validation: float | None  # mean loss on the split val after it, where it was asked for


class Block(nn.Module):
    """Attention and feed-forward, each behind a norm and added to what came in."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.qkv, self.mixed = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.wide, self.narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor, mask: Mask) -> Tensor:
        B, S, width = x.shape
        q, k, v = self.qkv(norm(x)).view(B, S, 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (B, heads, S, d)
        seen = attend(rotated(q, rotation), rotated(k, rotation), v, mask)
        x = x + self.dropout(self.mixed(seen.transpose(1, 2).reshape(B, S, width)))
        return x + self.dropout(self.narrow(gelu(self.wide(norm(x)))))


class GPT(nn.Module):
    """A decoder with rotary positions (arXiv 2104.09864); one matrix reads tokens and predicts them."""

    def __init__(self, vocabulary: int, settings: Settings) -> None:
        super().__init__()
        self.rotary = settings.width // settings.heads // 2
        self.token = nn.Embedding(vocabulary, settings.width)
        self.dropout = nn.Dropout(settings.dropout)
        sizes = settings.width, settings.heads, settings.dropout
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(settings.layers))
        for name, weight in self.named_parameters():
            last = name.endswith(("mixed.weight", "narrow.weight"))
            nn.init.normal_(weight, std=0.02 / math.sqrt(2 * settings.layers if last else 1))

    def forward(self, ids: Tensor, positions: Tensor | None = None, mask: Mask = None) -> Tensor:
        """Logits (B, S, vocabulary) of the token after each of `ids` (B, S); without positions, from 0 in each row."""
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        frequency = 10_000 ** -(torch.arange(self.rotary, device=ids.device) / self.rotary)
        rotation = (positions[..., None] * frequency)[:, None]  # (B or 1, 1, S, d / 2), radians
        x = self.dropout(self.token(ids))
        for block in self.blocks:
            x = block(x, rotation, mask)
        return linear(norm(x), self.token.weight)


flex = cache(lambda compiled: torch.compile(flex_attention) if compiled else flex_attention)  # quick only if it is


def norm(x: Tensor) -> Tensor:
    return rms_norm(x, x.shape[-1:])


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=-1)
    cos, sin = rotation.cos().to(x.dtype), rotation.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Mask) -> Tensor:
    if isinstance(mask, BlockMask):
        return flex(q.is_cuda)(q, k, v, block_mask=mask)
    return scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)


def document_mask(positions: Tensor, blocks: bool) -> Mask:
    """What each token sees: itself and what stands before it in its document, which begins where `positions` (B, S)
    are 0. With `blocks` for flex_attention, which skips blocks of nothing; else bool (B, 1, S, S)."""
    document = (positions == 0).cumsum(1)
    if not blocks:
        return (document[:, :, None] == document[:, None, :]).tril()[:, None]

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q >= k) & (document[b, q] == document[b, k])

    B, S = positions.shape
    return create_block_mask(sees, B, None, S, S, device=str(positions.device))


def summed_loss(model: nn.Module, batch: Batch, device: torch.device, bfloat16: bool = False) -> Tensor:
    """The sum over a batch's targets of −log p, in nats."""
    ids, labels = batch["input_ids"].to(device), batch["labels"].to(device)
    positions = batch["position_ids"].to(device) if "position_ids" in batch else None
    mask = None if positions is None else document_mask(positions, blocks=device.type == "cuda")
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(ids, positions, mask)
    return cross_entropy(logits.float().flatten(0, 1), labels.flatten(), reduction="sum")


def targets_of(batches: list[Batch], device: torch.device) -> Tensor:
    return torch.stack([(batch["labels"] != -100).sum() for batch in batches]).sum().to(device)


def open_loader(settings: Settings, where: Rank, split: str = "train") -> ContextDataLoader:
    """The contexts of a split that this process is to read: of val in one order, each context once."""
    dataset = ContextDataset(settings.data, split, attention=settings.attention)  # type: ignore[arg-type]
    how: Any = {} if split == "train" else {"shuffle": "none", "tail": "pad"}
    sampler = ElasticBatchSampler.of(
        dataset, settings.batch, dp_rank=where.rank, dp_world_size=where.ranks, seed=settings.seed, **how
    )
    rows = min(settings.micro_batch, settings.batch // where.ranks)
    return ContextDataLoader(dataset, sampler, micro_batch_size=rows, num_workers=settings.workers)


def evaluate(model: nn.Module, loader: ContextDataLoader, where: Rank, bfloat16: bool) -> float:
    """The mean loss over all targets of a loader's epoch."""
    model.eval()
    with torch.no_grad():
        found = [(summed_loss(model, one, where.device, bfloat16), targets_of([one], where.device)) for one in loader]
    model.train()
    losses, targets = zip(*found, strict=True)
    return where.sum_of_all(losses) / int(where.total(sum(targets)))


def learning_rate(step: int, settings: Settings) -> float:
    """Of the update after `step` others."""
    risen = min(1, (step + 1) / max(1, settings.warmup))
    done = max(0, step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.learning_rate * risen * (0.55 + 0.45 * math.cos(math.pi * done))


def load(path: Path, settings: Settings, device: torch.device) -> dict[str, Any] | None:
    """The checkpoint that is there, if one is; OtherRun if settings differ that make another model or other losses."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    for name, value in asdict(settings).items():
        if name not in FREE and (was := state["settings"].get(name)) != value:
            raise OtherRun(f"{path}: is of a run with {name} {was}, not {value}; choose another --out")
    return state


def train(settings: Settings, where: Rank, model: GPT) -> Iterator[Step]:
    """Train a model on `where.device`, from its checkpoint if there is one; gives each update after it was made.

    The loss of an update is the mean over its targets, wherever they are: it does not depend on the number of
    processes, nor on micro-batches. Random numbers are those of (seed, step, micro-batch), so that they need no saving.
    """
    loader = open_loader(settings, where)
    validation = open_loader(settings, where, "val") if settings.evaluate_every else None
    micro_batches = len(loader) // len(loader.sampler)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=settings.weight_decay)
    path, step = Path(settings.out, CHECKPOINT), 0
    if state := load(path, settings, where.device):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        loader.load_state_dict(state["data"])
        step = state["step"]
    if threads := settings.threads or (state or {}).get("threads"):
        torch.set_num_threads(threads)
    quick: nn.Module = torch.compile(model) if settings.compile else model  # type: ignore[assignment]
    batches = chain.from_iterable(repeat(loader))  # epoch after epoch
    while step < settings.steps:
        batch_of_step = [next(batches) for _ in range(micro_batches)]
        targets = where.total(targets_of(batch_of_step, where.device))
        losses, sums = [], [torch.zeros_like(one, dtype=torch.int64) for one in model.parameters()]
        for number, batch in zip(count(where.rank, where.ranks), batch_of_step, strict=False):  # among all ranks'
            torch.manual_seed((settings.seed * 1_000_003 + step) * 65_537 + number)
            loss = summed_loss(quick, batch, where.device, settings.bfloat16)
            (loss / targets).backward()
            for parameter, whole in zip(model.parameters(), sums, strict=True):
                whole += (parameter.grad.double() / UNIT).round().long()  # so that their order does not matter
            optimizer.zero_grad()
            losses.append(loss.detach())
        for parameter, whole in zip(model.parameters(), sums, strict=True):
            parameter.grad = (where.total(whole).double() * UNIT).to(parameter.dtype)
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        mean = where.sum_of_all(losses) / int(targets)
        if not math.isfinite(mean):
            raise FloatingPointError(f"the loss of update {step} is {mean}: lower --learning-rate")
        if where.rank == 0 and (step % settings.checkpoint_every == 0 or step == settings.steps):
            so_far = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "data": loader.state_dict()}
            so_far |= {"settings": asdict(settings), "step": step, "threads": torch.get_num_threads()}
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(so_far, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").replace(path)  # it has its name only when it is whole
        due = settings.evaluate_every and (step % settings.evaluate_every == 0 or step == settings.steps)
        yield Step(step, mean, int(targets), evaluate(quick, validation, where, settings.bfloat16) if due else None)


def new_model(settings: Settings, where: Rank) -> GPT:
    """A model for the shards' vocabulary, the same for the same seed."""
    torch.manual_seed(settings.seed)
    return GPT(ContextDataset(settings.data).vocab_size, settings).to(where.device)


def options(arguments: list[str] | None = None) -> Settings:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for one in fields(Settings):
        how = {"action": argparse.BooleanOptionalAction} if one.type is bool else {"type": one.type}
        parser.add_argument("--" + one.name.replace("_", "-"), **how, default=one.default, **one.metadata)  # type: ignore[arg-type]
    return Settings(**vars(parser.parse_args(arguments)))


def begin(settings: Settings) -> Rank:
    """This process among those that torchrun started, if it did."""
    rank, ranks, local = (int(os.environ.get(name, 0)) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    device = torch.device(settings.device, local if settings.device == "cuda" else None)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if ranks > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Rank(rank, max(1, ranks), device)


def main() -> None:
    settings = options()
    where = begin(settings)
    try:
        model = new_model(settings, where)
        before = time.perf_counter()
        for step in train(settings, where, model):
            speed, before = step.targets / (time.perf_counter() - before), time.perf_counter()
            val = "" if step.validation is None else f"  val {step.validation:.4f}"
            if where.rank == 0:
                print(f"step {step.number}  loss {step.loss:.4f}  {speed:,.0f} tokens/s{val}", flush=True)
    except (OtherRun, StateMismatch, ShardError, ValueError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    finally:
        if where.ranks > 1:
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
