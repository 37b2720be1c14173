"""Vectors of texts from their words."""
