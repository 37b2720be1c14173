"""Trains a small Llama on shards with Hugging Face's Trainer. Needs transformers and accelerate beside the reader.

    python -m examples.train_with_transformers --data demo/run/shards --out runs/llama
    torchrun --nproc-per-node 8 -m examples.train_with_transformers --data demo/run/shards --out runs/llama

The same command resumes. The order of contexts is the Trainer's own shuffle, by its seed; it resumes by passing over
what was read, with the same number of processes. `examples/train.py` shows the loader that needs neither.

--attention document keeps the documents of a context apart, by a mask of (B, 1, S, S) for the attention of PyTorch.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from sequitur.shards import ContextCollator, ContextDataset

OF_THE_MODEL = ("input_ids", "labels", "position_ids", "attention_mask")


class Collator:
    """Batches with what the model takes, and nothing else."""

    def __init__(self, attention: Any) -> None:
        self._collate = ContextCollator(attention=attention, sdpa_mask=attention == "document")

    def __call__(self, examples: Sequence[Any]) -> dict[str, Any]:
        return {name: value for name, value in self._collate(examples).items() if name in OF_THE_MODEL}


def new_model(dataset: ContextDataset) -> LlamaForCausalLM:
    """A small Llama for the shards' vocabulary and length."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=dataset.vocab_size, eos_token_id=dataset.eos, pad_token_id=None, bos_token_id=None,
            hidden_size=128, intermediate_size=384, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=dataset.seq_len, tie_word_embeddings=True, attn_implementation="sdpa",
        )
    )  # fmt: skip


def trainer(data: str, out: str, attention: Any = "full", **options: Any) -> Trainer:
    """Of contexts whose labels are the inputs ("hf"): the models of transformers shift them themselves. `options` are
    TrainingArguments; columns must not be taken from the collator, which needs all of them."""
    dataset = ContextDataset(data, labels="hf", attention=attention)
    arguments = TrainingArguments(out, remove_unused_columns=False, report_to="none", **options)
    return Trainer(new_model(dataset), arguments, train_dataset=dataset, data_collator=Collator(attention))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo/run/shards", help="directory or URL of the shards")
    parser.add_argument("--out", default="runs/llama", help="directory of the checkpoints")
    parser.add_argument("--attention", default="full", choices=["full", "document"])
    parser.add_argument("--steps", type=int, default=1000, help="updates of the weights")
    parser.add_argument("--micro-batch", type=int, default=8, help="contexts that a process takes at once")
    given = parser.parse_args()
    one = trainer(
        given.data, given.out, given.attention, max_steps=given.steps, save_steps=100, logging_steps=10,
        per_device_train_batch_size=given.micro_batch, learning_rate=1e-3, warmup_steps=50,
    )  # fmt: skip
    one.train(resume_from_checkpoint=get_last_checkpoint(given.out))


if __name__ == "__main__":
    main()
