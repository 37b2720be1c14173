"""What torchtitan is given by the adapter, and what its checkpoints keep: read_torchtitan.py SHARDS FOLDER."""

import json
import os
import sys
from pathlib import Path

import digests
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
import tyro
from torchtitan.components.dataloader import BaseDataLoader
from torchtitan.config.manager import custom_registry
from torchtitan.models.llama3.config_registry import llama3_debugmodel
from torchtitan.trainer import Trainer

from sequitur.shards import ContextDataset
from sequitur.shards.adapters.torchtitan import dataloader

STAGES = [(2, 3), (1, 6), (3, 1), (1, 3), (2, 4)]
"""Ranks, and steps of two contexts per rank; 36 contexts make an epoch, and the last stage reads on in the next."""


def loader_of(root: str, seq_len: int, rank: int = 0, world_size: int = 1, **options: object) -> BaseDataLoader:
    """As torchtitan's Trainer builds it."""
    return dataloader(root, seed=7, **options).build(
        dp_world_size=world_size,
        dp_rank=rank,
        tokenizer=None,
        seq_len=seq_len,
        local_batch_size=2,
        snapshot_every_n_steps=None,
    )


def read_stage(rank: int, root: str, seq_len: int, folder: str, stage: int) -> None:
    """One rank of one stage: load the last stage's checkpoint, read, save another."""
    world_size, steps = STAGES[stage]
    dist.init_process_group("gloo", init_method=f"file://{folder}/store-{stage}", rank=rank, world_size=world_size)
    loader = loader_of(root, seq_len, rank, world_size)
    if stage:
        dcp.load({"dataloader": loader}, checkpoint_id=f"{folder}/checkpoint-{stage - 1}")
    batches = iter(loader)
    rows = [next(batches)[0]["input"].tolist() for _ in range(steps)]
    dcp.save({"dataloader": loader}, checkpoint_id=f"{folder}/checkpoint-{stage}")
    Path(folder, f"rows-{stage}-{rank}.json").write_text(json.dumps(rows))
    dist.destroy_process_group()


def read_stages(root: str, seq_len: int, folder: Path) -> list[list[int]]:
    """The rows that all ranks of all stages read, step by step."""
    rows = []
    for stage, (world_size, steps) in enumerate(STAGES):
        arguments = (root, seq_len, str(folder), stage)
        torch.multiprocessing.start_processes(read_stage, arguments, nprocs=world_size, start_method="fork")
        ranks = [json.loads((folder / f"rows-{stage}-{rank}.json").read_text()) for rank in range(world_size)]
        rows += [row for step in range(steps) for rank in ranks for row in rank[step]]
    return rows


def on_the_command_line(root: str) -> str:
    """The loader's options as torchtitan's command line sets them."""
    config = llama3_debugmodel()
    config.dataloader = dataloader(root)
    arguments = ["--dataloader.seed", "5", "--dataloader.attention", "document"]
    parsed = tyro.cli(Trainer.Config, default=config, args=arguments, registry=custom_registry).dataloader
    return f"{isinstance(parsed, BaseDataLoader.Config)} {parsed.dataset_path} {parsed.seed} {parsed.attention}"


def refusal(root: str, seq_len: int) -> str:
    try:
        loader_of(root, seq_len)
    except ValueError as error:
        return str(error)
    return ""


def main(root: str, folder: Path) -> None:
    dataset = ContextDataset(root, return_provenance=True)
    by_tokens = {tuple(example["input_ids"].tolist()): example for example in dataset}
    batches = list(loader_of(root, dataset.seq_len, infinite=False, num_workers=2))
    ids = torch.cat([inputs["input"] for inputs, _ in batches])
    positions = torch.cat([inputs["positions"] for inputs, _ in batches])
    labels = torch.cat([labels for _, labels in batches])
    examples = [by_tokens[tuple(row)] for row in ids.tolist()]
    apart = [
        inputs["positions"] for inputs, _ in loader_of(root, dataset.seq_len, infinite=False, attention="document")
    ]
    result = {
        "rows": len(ids),
        "digest": digests.of_examples(examples),
        "ids": ids.tolist(),
        "labels_same": torch.equal(labels, torch.stack([example["labels"] for example in examples])),
        "positions_from_0_to_S": torch.equal(positions, torch.arange(dataset.seq_len).expand_as(positions)),
        "documents": int((torch.cat(apart) == 0).sum()),
        "resumed": read_stages(root, dataset.seq_len, folder),
        "command_line": on_the_command_line(root),
        "refusal": refusal(root, dataset.seq_len * 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    main(sys.argv[1], Path(sys.argv[2]))
