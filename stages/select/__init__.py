"""`signals` to `selection`: who stays, and why not."""

from sequitur.stages.select.stage import STAGE as STAGE
