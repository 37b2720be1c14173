"""Raw documents to in-context pretraining shards."""

__version__ = "0.1.0"
