"""What is asked of a run: other orders and rules tried on it, what became of a document, and the terminal's views."""
