"""Contexts in trainers that read them in place: one file for each that needs more than a `ContextDataset`."""
