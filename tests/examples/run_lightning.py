"""Losses of Lightning, whole and resumed, and the rows that were read: run_lightning.py SHARDS FOLDER."""

import json
import sys
from dataclasses import replace

import lightning

from examples.train import Settings
from examples.train_with_lightning import ContextModel, trainer

shards, folder = sys.argv[1:]
SETTINGS = Settings(
    shards, f"{folder}/whole", layers=2, heads=2, width=32, steps=12, batch=8, micro_batch=8, learning_rate=1e-2,
    checkpoint_every=6, device="cpu",
)  # fmt: skip


def losses(settings: Settings, checkpoint: str | None = None) -> list[float]:
    found: list[float] = []

    class Kept(ContextModel):
        def training_step(self, batch, number):
            loss = super().training_step(batch, number)
            found.append(float(loss.detach()))
            return loss

    lightning.seed_everything(1, verbose=False)
    one = trainer(settings, accelerator="cpu", devices=1, logger=False, enable_model_summary=False)
    one.fit(Kept(settings), ckpt_path=checkpoint, weights_only=False)
    return found


whole = losses(SETTINGS)
first = losses(replace(SETTINGS, out=f"{folder}/first", steps=6))
last = losses(replace(SETTINGS, out=f"{folder}/first"), f"{folder}/first/last.ckpt")
print(json.dumps({"whole": whole, "parts": first + last}))
