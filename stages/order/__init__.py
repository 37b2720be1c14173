"""`neighbors` to `order`."""

from sequitur.stages.order.stage import STAGE as STAGE
