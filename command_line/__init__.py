"""The commands of `sequitur`; main.py puts them together."""
