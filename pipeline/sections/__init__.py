"""The sections of a configuration: every setting with its default, its bounds and its meaning."""

from sequitur.pipeline.sections.documents import Annotate, Edit, Ingest, Input, Model, Refine
from sequitur.pipeline.sections.section import LONGEST_CONTEXT, MIB, Preset, Section, Share
from sequitur.pipeline.sections.selection import Language, Limit, Select, Subset, Urls
from sequitur.pipeline.sections.training import Embed, Families, Neighbors, Ordering, Pack, Tokenize

__all__ = [
    "LONGEST_CONTEXT",
    "MIB",
    "Annotate",
    "Edit",
    "Embed",
    "Families",
    "Ingest",
    "Input",
    "Language",
    "Limit",
    "Model",
    "Neighbors",
    "Ordering",
    "Pack",
    "Preset",
    "Refine",
    "Section",
    "Select",
    "Share",
    "Subset",
    "Tokenize",
    "Urls",
]
