"""Reads a file of metrics by Prometheus' own client, as whoever collects it does."""

import json
import sys
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(Path(sys.argv[1]).read_text(encoding="utf-8")))
samples = [[one.name, one.labels, one.value] for family in families for one in family.samples]
described = {family.name: [family.type, family.documentation] for family in families}
print(json.dumps({"described": described, "samples": samples}))
