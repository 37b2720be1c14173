"""Columns of artifacts as arrays, and documents found in them."""
