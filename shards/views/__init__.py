"""What a person sees of shards: contexts, counts, and text that is harmless to print."""
