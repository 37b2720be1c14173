"""Trains as examples/train.py does, but stops after some updates: `torchrun … train_some.py UPDATES OPTIONS`."""

import sys
from itertools import islice

import torch.distributed as dist

from examples.train import begin, new_model, options, train

settings = options(sys.argv[2:])
where = begin(settings)
losses = [step.loss for step in islice(train(settings, where, new_model(settings, where)), int(sys.argv[1]))]
if where.rank == 0:
    print(*map(repr, losses))
dist.destroy_process_group()
