"""What every stage stands on: configuration, schemas, artifacts, the ledger, Beam plumbing, the command line.

Nothing here knows how a signal, an order or a shard is computed.
"""
