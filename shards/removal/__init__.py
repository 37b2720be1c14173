"""Taking documents out of finished shards: `removing.remove`."""
