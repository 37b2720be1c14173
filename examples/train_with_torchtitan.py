"""Shards in torchtitan 0.3: its Llama 3 of the smallest size, on contexts as they are.

    SHARDS=demo/run/shards torchrun --nproc-per-node 8 -m torchtitan.train \\
        --module examples.train_with_torchtitan --config in_context --training.steps 1000

Any other option of torchtitan may follow; its Trainer needs an accelerator. Another number of processes may take up a
checkpoint. `--dataloader.attention document` keeps the documents of a context apart.
"""

import os

from torchtitan.components.loss import CrossEntropyLoss
from torchtitan.models.llama3 import model_registry
from torchtitan.models.llama3.config_registry import llama3_debugmodel
from torchtitan.trainer import Trainer

from sequitur.shards import ContextDataset
from sequitur.shards.adapters.torchtitan import dataloader


def in_context() -> Trainer.Config:
    """Llama 3 for the vocabulary and length of the shards in $SHARDS, trained on their split train."""
    shards = os.environ.get("SHARDS", "demo/run/shards")
    dataset = ContextDataset(shards)
    config = llama3_debugmodel()
    config.model_spec = model_registry("debugmodel")
    model = config.model_spec.model
    model.vocab_size = model.tok_embeddings.num_embeddings = model.lm_head.out_features = dataset.vocab_size
    config.loss = CrossEntropyLoss.Config(global_vocab_size=dataset.vocab_size)
    config.dataloader = dataloader(shards, seed=1, num_workers=2)
    config.training.seq_len = dataset.seq_len
    config.hf_assets_path = f"{shards}/tokenizer"
    return config
