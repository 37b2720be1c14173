"""Losses of Hugging Face's Trainer, whole and resumed, and what documents see: run_transformers.py SHARDS FOLDER."""

import json
import sys
from itertools import pairwise

import torch

from examples.train_with_transformers import new_model, trainer
from sequitur.shards import ContextCollator, ContextDataset

shards, folder = sys.argv[1:]
OPTIONS = {
    "max_steps": 6, "save_steps": 3, "logging_steps": 1, "per_device_train_batch_size": 4, "learning_rate": 1e-2,
    "use_cpu": True, "disable_tqdm": True, "seed": 3,
}  # fmt: skip


def losses(one) -> list[float]:
    return [entry["loss"] for entry in one.state.log_history if "loss" in entry]


whole = trainer(shards, f"{folder}/whole", **OPTIONS)
whole.train()
again = trainer(shards, f"{folder}/again", **OPTIONS)
again.train(resume_from_checkpoint=f"{folder}/whole/checkpoint-3")
document = trainer(shards, f"{folder}/document", "document", **OPTIONS)
document.train()

apart = ContextDataset(shards, labels="hf", attention="document")
batch = ContextCollator(attention="document", sdpa_mask=True)(apart.__getitems__([0, 1, 2]))
torch.manual_seed(1)
model = new_model(apart).eval()
with torch.no_grad():
    named = {name: batch[name] for name in ("input_ids", "position_ids", "attention_mask")}
    together = model(**named).logits.flatten(0, 1)
    ids, edges = batch["input_ids"].flatten(), batch["cu_seqlens"].tolist()
    alone = torch.cat([model(input_ids=ids[a:b][None]).logits[0] for a, b in pairwise(edges)])
print(
    json.dumps(
        {
            "whole": losses(whole),
            "again": losses(again),
            "document": losses(document),
            "difference": float((together - alone).abs().max()),
            "largest": float(alone.abs().max()),
        }
    )
)
