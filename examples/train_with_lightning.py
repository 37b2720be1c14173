"""Trains the GPT of examples/train.py on shards with Lightning. Needs lightning beside what the reader needs.

    python -m examples.train_with_lightning --data demo/run/shards --out runs/lightning

The same command resumes, in the midst of an epoch, too: Lightning puts the loader's state into its checkpoints, since a
`ContextDataLoader` has `state_dict` and `load_state_dict`. The number of processes may change in between.
"""

import argparse
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from examples.train import GPT, Rank, Settings, open_loader, summed_loss, targets_of
from sequitur.shards import ContextDataLoader, ContextDataset


class ContextModel(lightning.LightningModule):
    """A GPT, and the contexts that it is trained on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.model = GPT(ContextDataset(settings.data).vocab_size, settings)

    def train_dataloader(self) -> ContextDataLoader:
        """This process's share of each global batch: of `settings.batch` contexts over all."""
        where = Rank(self.trainer.global_rank, self.trainer.world_size, self.device)
        return open_loader(self.settings, where)

    def training_step(self, batch: dict[str, Any], number: int) -> torch.Tensor:
        loss = summed_loss(self.model, batch, self.device) / targets_of([batch], self.device)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.settings.learning_rate, betas=(0.9, 0.95))


def trainer(settings: Settings, **options: Any) -> lightning.Trainer:
    """Without Lightning's own sampler: each process has its share already. `options` are those of the Trainer."""
    keep = ModelCheckpoint(settings.out, filename="last", every_n_train_steps=settings.checkpoint_every)
    return lightning.Trainer(
        default_root_dir=settings.out, max_steps=settings.steps, use_distributed_sampler=False, callbacks=[keep],
        accumulate_grad_batches=1, gradient_clip_val=settings.clip, enable_progress_bar=False, **options,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo/run/shards", help="directory or URL of the shards")
    parser.add_argument("--out", default="runs/lightning", help="directory of the checkpoint")
    parser.add_argument("--steps", type=int, default=1000, help="updates of the weights")
    parser.add_argument("--batch", type=int, default=8, help="contexts of an update, over all processes")
    given = parser.parse_args()
    settings = Settings(given.data, given.out, steps=given.steps, batch=given.batch, micro_batch=given.batch)
    lightning.seed_everything(settings.seed)
    last = Path(given.out, "last.ckpt")
    trainer(settings).fit(ContextModel(settings), ckpt_path=last if last.exists() else None, weights_only=False)


if __name__ == "__main__":
    main()
