"""Figures by name: each benchmark prints one JSON object on the last line of standard output, progress on stderr."""
