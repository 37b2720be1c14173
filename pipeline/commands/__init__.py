"""The commands of `sequitur`; pipeline/cli.py puts them together."""
