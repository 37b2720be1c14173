"""`neighbors` to `order`."""

from sequitur.stages.order.declaration import STAGE as STAGE
