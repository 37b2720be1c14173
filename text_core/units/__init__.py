"""Strings, and what they are made of: characters, lines, sentences, tokens, words, shingles."""
