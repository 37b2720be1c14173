"""Changed text: repair, patterns, redaction, lines and repeats taken out."""
