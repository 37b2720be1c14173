"""The example's configuration as torchtitan reads it, with its model and a batch: run_torchtitan.py SHARDS."""

import json
import os
import sys

import torch

os.environ["SHARDS"] = sys.argv[1]

from torchtitan.config import ConfigManager

OPTIONS = "--training.local_batch_size 2 --dataloader.num_workers 0"
config = ConfigManager().parse_args(
    ["--module", "examples.train_with_torchtitan", "--config", "in_context", *OPTIONS.split()]
)
loader = config.dataloader.build(
    dp_world_size=1, dp_rank=0, tokenizer=None, seq_len=config.training.seq_len,
    local_batch_size=config.training.local_batch_size, snapshot_every_n_steps=None,
)  # fmt: skip
inputs, labels = next(iter(loader))
with torch.device("meta"):
    model = config.model_spec.model.build()
print(
    json.dumps(
        {
            "trainer": type(config).__qualname__,
            "input": list(inputs["input"].shape),
            "positions": inputs["positions"][0].tolist(),
            "labels": list(labels.shape),
            "embedding": list(model.tok_embeddings.weight.shape),
            "head": list(model.lm_head.weight.shape),
            "loss": config.loss.global_vocab_size,
        }
    )
)
